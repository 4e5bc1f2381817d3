// SPDX-License-Identifier: Apache-2.0
#include "commands/command_runner.hpp"

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
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "commands/command_supervisor.hpp"

namespace nswarden {
namespace {

struct Pair {
  Fd daemon_end;
  Fd server_end;
};

/// A message socket, which keeps messages apart and reports the end when the other side dies.
Result<Pair> make_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) return Error{errno, "create socket"};
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

/// The daemon's environment, without the variables that would let a command speak to the service manager in the daemon's name.
std::vector<std::string> inherited_environment() {
  constexpr std::array<std::string_view, 7> private_names{
      "NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_FDS=", "LISTEN_PID=", "NETNS=", "NSWARDEN_EVENT="};
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const bool is_private =
        std::any_of(private_names.begin(), private_names.end(), [&](std::string_view name) { return text.starts_with(name); });
    if (!is_private) variables.emplace_back(text);
  }
  return variables;
}

constexpr int requests_fd = 3;
constexpr int results_fd = 4;
constexpr unsigned first_unused_fd = 5;

/// A command must neither see the daemon's files nor keep them open: sockets, sysctls of dying netns.
void close_other_fds() {
  if (::syscall(SYS_close_range, first_unused_fd, ~0U, 0) == 0) return;
  // Linux before 5.9, or a system call filter without close_range (kernel fact 62). Does not try all numbers: there may be a
  // million.
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

/// Moves both sockets to their fixed numbers, via unused ones.
void move_fds(int requests, int results) {
  const int a = ::fcntl(requests, F_DUPFD, 10);
  const int b = ::fcntl(results, F_DUPFD, 10);
  if (::dup3(a, requests_fd, O_CLOEXEC) < 0 || ::dup3(b, results_fd, O_CLOEXEC) < 0) ::_exit(1);
}

/// The process that waits for commands and forks a supervisor for each. It is a fork of a program with threads, so it allocates
/// nothing. It exits when its request socket is closed. Its children follow kernel fact 36.
class CommandServer {
 public:
  struct Setup {
    int requests = -1;
    int results = -1;
    std::size_t open_files = 0;
    std::vector<char*> environment;  ///< `inherited` variables, and room for max_added_variables and the null at its end
    std::size_t inherited = 0;
  };
  explicit CommandServer(Setup& setup) : setup_(setup) {}

  [[noreturn]] void run() {
    become_server();
    while (true) {
      std::array<pollfd, 2> polled{pollfd{requests_fd, POLLIN, 0}, pollfd{ended_children_, POLLIN, 0}};
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[1].revents != 0) reap();
      if (polled[0].revents != 0) take_request();
    }
  }

 private:
  struct Child {
    pid_t pid = 0;
    std::uint64_t id = 0;
  };

  void become_server() {
    // A session of its own keeps a Ctrl-C for the daemon away from the commands. Termination signals stay blocked: the server
    // exits when the daemon has ended.
    ::setsid();
    ::prctl(PR_SET_NAME, "nswarden-cmd");
    move_fds(setup_.requests, setup_.results);
    close_other_fds();
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
    if (ended_children_ < 0) ::_exit(1);  // it would miss the end of its children; another server may succeed
  }

  void take_request() {
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

  void supervise(const RequestHead& head, char* strings) {
    ::close(requests_fd);
    ::close(ended_children_);
    const char* const command = strings;
    for (std::uint32_t i = 1; i < head.strings; ++i) {
      strings += std::strlen(strings) + 1;
      setup_.environment[setup_.inherited + i - 1] = strings;
    }
    CommandSupervisor(results_fd, head).run(command, setup_.environment.data());
  }

  /// A supervisor sends the result itself; the server does so for one that was killed before.
  void reap() {
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

  static void send_result(std::uint64_t id, CommandResult::End end, int code) {
    const ResultHead head{id, end, false, code};
    ssize_t sent = 0;
    do {
      sent = ::send(results_fd, &head, sizeof head, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    // A server that cannot send must exit: the daemon would wait for this result forever, but it notices the end of the server.
    if (sent < 0) ::_exit(1);
  }

  Setup& setup_;
  int ended_children_ = -1;
  std::array<Child, 64> children_{};
  std::array<char, max_request> request_{};
};

}  // namespace

CommandRunner::~CommandRunner() { stop_server(); }

Result<void> CommandRunner::start_server() {
  auto requests = make_pair();
  if (!requests) return requests.error();
  auto results = make_pair();
  if (!results) return results.error();
  // Allocate all memory of the child here, because another thread may hold the allocator's locks during the fork.
  std::vector<std::string> variables = inherited_environment();
  CommandServer::Setup setup;
  setup.requests = requests->server_end.get();
  setup.results = results->server_end.get();
  setup.open_files = open_files_;
  for (std::string& variable : variables) setup.environment.push_back(variable.data());
  setup.inherited = setup.environment.size();
  setup.environment.resize(setup.inherited + max_added_variables + 1, nullptr);

  server_ = ::fork();
  if (server_ < 0) return Error{errno, "fork"};
  if (server_ == 0) CommandServer(setup).run();
  requests_ = std::move(requests->daemon_end);
  results_ = std::move(results->daemon_end);
  return {};
}

void CommandRunner::stop_server() {
  requests_.reset();
  results_.reset();  // supervisors see the close, and end their commands
  if (server_ < 0) return;
  // The server has nothing left to finish, and may be stopped by a signal.
  ::kill(server_, SIGKILL);
  while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {
  }
  server_ = -1;
}

Result<void> CommandRunner::start(const CommandRequest& request) {
  if (!requests_) {
    if (const Result<void> started = start_server(); !started) return started.error();
  }
  const RequestHead head{request.id, request.timeout.count(), static_cast<std::uint32_t>(1 + request.environment.size()),
                         request.capabilities};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  message.append(request.command).append(1, '\0');
  for (const std::string& variable : request.environment) message.append(variable).append(1, '\0');
  if (message.size() > max_request || request.environment.size() > max_added_variables) return Error{E2BIG, "send command"};
  if (::send(requests_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return Error{errno, "send command"};
  }
  running_.push_back(request.id);
  return {};
}

std::vector<CommandResult> CommandRunner::read() {
  std::vector<CommandResult> all;
  std::array<char, max_result> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (results_) {
    const ssize_t size = ::recv(results_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    ResultHead head;
    if (size < static_cast<ssize_t>(sizeof head)) break;
    std::memcpy(&head, bytes.data(), sizeof head);
    const char* const output = bytes.data() + sizeof head;
    all.push_back({head.id, head.end, head.code, head.left_running, head.output_size, std::string(output, head.head_size),
                   std::string(output + head.head_size, head.tail_size)});
    std::erase(running_, head.id);
  }
  // The server never sends on this socket: only its close is read here.
  char end = 0;
  if (requests_ && ::recv(requests_.get(), &end, 1, MSG_DONTWAIT) == 0) {
    stop_server();
    for (const std::uint64_t id : std::exchange(running_, {})) all.push_back({id, CommandResult::End::lost});
  }
  return all;
}

}  // namespace nswarden
