// SPDX-License-Identifier: Apache-2.0
#include "commands/command_server.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "commands/command_supervisor.hpp"

namespace nswarden {
namespace {

constexpr int requests_fd = 3;
constexpr int results_fd = 4;
constexpr unsigned first_unused_fd = 5;

/// Nothing of ours may be seen by a command, nor be kept open by one: sockets, sysctls of netns that die.
void close_all_others() {
  if (::syscall(SYS_close_range, first_unused_fd, ~0U, 0) == 0) return;
  // Linux before 5.9, or a system call filter that does not know it (kernel fact 62). Not by trying all numbers: there
  // may be a million.
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) ::_exit(1);
  alignas(dirent64) std::array<char, 4096> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  ssize_t size = 0;
  while ((size = ::getdents64(directory, batch.data(), batch.size())) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(batch.data() + at);
      at += entry->d_reclen;
      const int fd = std::atoi(entry->d_name);  // NOLINT(cert-err34-c): the kernel's numbers, and 0 for the dots
      if (fd >= static_cast<int>(first_unused_fd) && fd != directory) ::close(fd);
    }
  }
  ::close(directory);
  if (size < 0) ::_exit(1);
}

/// Moves a file to a number of our choice, by way of one that is nobody's.
void move_fds(int requests, int results) {
  const int a = ::fcntl(requests, F_DUPFD, 10);
  const int b = ::fcntl(results, F_DUPFD, 10);
  if (::dup3(a, requests_fd, O_CLOEXEC) < 0 || ::dup3(b, results_fd, O_CLOEXEC) < 0) ::_exit(1);
}

}  // namespace

void CommandServer::become_server() {
  // Of its own session, so that a Ctrl-C for the daemon is not for the commands. Signals that ask to end stay blocked: it ends
  // when the daemon has ended.
  ::setsid();
  ::prctl(PR_SET_NAME, "nswarden-cmd");
  move_fds(setup_.requests, setup_.results);
  close_all_others();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  ::close(null);
  if (::chdir("/") != 0) ::_exit(1);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(setup_.open_files, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);

  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGCHLD);
  ::signal(SIGCHLD, SIG_DFL);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ended_children_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  if (ended_children_ < 0) ::_exit(1);  // it would never know a child's end; another server may be luckier
}

void CommandServer::run() {
  become_server();
  while (true) {
    std::array<pollfd, 2> polled{pollfd{requests_fd, POLLIN, 0}, pollfd{ended_children_, POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[1].revents != 0) reap();
    if (polled[0].revents != 0) take_request();
  }
}

void CommandServer::take_request() {
  const ssize_t size = ::recv(requests_fd, request_.data(), request_.size() - 1, MSG_DONTWAIT);
  if (size == 0) ::_exit(0);
  RequestHead head;
  if (size < static_cast<ssize_t>(sizeof head)) return;
  std::memcpy(&head, request_.data(), sizeof head);
  request_[static_cast<std::size_t>(size)] = '\0';
  auto* const free = std::find_if(children_.begin(), children_.end(), [](const Child& child) { return child.pid == 0; });
  const pid_t pid = free == children_.end() ? -1 : ::fork();
  if (pid == 0) supervise(head, request_.data() + sizeof head);
  if (pid < 0) {
    send_result(head.id, CommandResult::End::not_started, free == children_.end() ? EAGAIN : errno);
  } else {
    *free = {pid, head.id};
  }
}

void CommandServer::supervise(const RequestHead& head, char* strings) {
  ::close(requests_fd);
  ::close(ended_children_);
  const char* const command = strings;
  for (std::uint32_t i = 1; i < head.strings; ++i) {
    strings += std::strlen(strings) + 1;
    setup_.environment[setup_.inherited + i - 1] = strings;
  }
  CommandSupervisor(results_fd, head).run(command, setup_.environment.data());
}

/// A supervisor sends the result itself; when it was killed before it could, the server does.
void CommandServer::reap() {
  signalfd_siginfo ignored{};
  while (::read(ended_children_, &ignored, sizeof ignored) > 0) {
  }
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    auto* const child = std::find_if(children_.begin(), children_.end(), [pid](const Child& one) { return one.pid == pid; });
    if (child == children_.end()) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) send_result(child->id, CommandResult::End::lost, 0);
    *child = {};
  }
}

void CommandServer::send_result(std::uint64_t id, CommandResult::End end, int code) {
  ResultHead head;
  head.id = id;
  head.end = end;
  head.code = code;
  ssize_t sent = 0;
  do {
    sent = ::send(results_fd, &head, sizeof head, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  // Who cannot speak must not live on: the daemon would wait for this result for ever, and of our end it hears.
  if (sent < 0) ::_exit(1);
}

}  // namespace nswarden
