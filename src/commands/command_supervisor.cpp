// SPDX-License-Identifier: Apache-2.0
#include "commands/command_supervisor.hpp"

#include <fcntl.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <nswarden/base/result.hpp>
#include <nswarden/os/capabilities.hpp>

namespace nswarden {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds grace{2000};
// Pause between two rounds of killing newly found processes.
constexpr milliseconds kill_round{10};
// Capacity of a pipe: the output left after the end of the shell is at most this.
constexpr std::size_t pipe_capacity = std::size_t{1} << 20;

/// Iterates over the children of a process's first thread, as listed in /proc.
class Children {
 public:
  explicit Children(pid_t parent) {
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/children", parent, parent);
    fd_ = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  }
  ~Children() {
    if (fd_ >= 0) ::close(fd_);
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  std::optional<pid_t> next() {
    pid_t pid = 0;
    for (char c = get(); c != '\0'; c = get()) {
      if (c >= '0' && c <= '9') {
        pid = pid * 10 + (c - '0');
      } else if (pid != 0) {
        return pid;
      }
    }
    return pid != 0 ? std::optional(pid) : std::nullopt;
  }

 private:
  char get() {
    if (at_ == size_) {
      const ssize_t size = fd_ < 0 ? 0 : ::read(fd_, buffer_.data(), buffer_.size());
      if (size <= 0) return '\0';
      size_ = static_cast<std::size_t>(size);
      at_ = 0;
    }
    return buffer_[at_++];
  }

  int fd_ = -1;
  std::array<char, 512> buffer_{};
  std::size_t at_ = 0;
  std::size_t size_ = 0;
};

void signal_descendants(pid_t parent, int signal, int depth) {
  Children children(parent);
  while (const auto child = children.next()) {
    if (depth > 0) signal_descendants(*child, signal, depth - 1);
    ::kill(*child, signal);
  }
}

constexpr unsigned long max_capabilities = 64;

/// Bounds the capabilities that an exec could gain. no_new_privs forbids any gain already, so nothing depends on CAP_SETPCAP
/// here.
void empty_bounding_set() {
  for (unsigned long capability = 0; capability < max_capabilities; ++capability) {
    // EINVAL: past the last one that the kernel knows.
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

/// A shell of root has capabilities by itself, one of another user only through the ambient set. systemd fills that set, file
/// capabilities leave it empty.
Result<void> pass_on_capabilities() {
  const int securebits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (securebits < 0) return Error{errno, "get securebits"};
  if (::geteuid() == 0 && (securebits & SECBIT_NOROOT) == 0) return {};
  CapabilitySets sets{};
  if (!get_capabilities(sets)) return Error{errno, "get capabilities"};
  for (auto& half : sets) half.inheritable |= half.permitted;
  if (!set_capabilities(sets)) return Error{errno, "make capabilities inheritable"};
  for (unsigned long capability = 0; capability < max_capabilities; ++capability) {
    if ((sets.at(capability / 32).permitted >> (capability % 32) & 1U) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return Error{errno, "raise ambient capability"};
  }
  return {};
}

/// `none`: removes all capabilities(7) of the calling process and of the processes that it starts. `daemon`: the processes that
/// it starts keep all its capabilities, for any user. In both cases the process that forks the shell has the command's
/// capabilities, since exec neither removes nor adds any. After an error that does not hold.
Result<void> apply_capabilities(CommandCapabilities capabilities) {
  if (capabilities == CommandCapabilities::daemon) return pass_on_capabilities();
  empty_bounding_set();
  return drop_all_capabilities();
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become_command(int output, const char* command, char* const* environment) {
  ::setsid();
  ::dup2(output, 1);
  ::dup2(output, 2);
  reset_signals();
  ::execle("/bin/sh", "sh", "-c", command, nullptr, environment);
  ::_exit(127);
}

}  // namespace

CommandSupervisor::CommandSupervisor(int results, const RequestHead& request)
    : results_(results), request_(request), due_(Clock::now() + milliseconds(request.timeout_ms)) {
  result_.id = request.id;
  result_.end = CommandResult::End::exited;
}

void CommandSupervisor::run(const char* command, char* const* environment) {
  start(command, environment);
  while (true) {
    wait_for_event();
    advance();
  }
}

void CommandSupervisor::start(const char* command, char* const* environment) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGCHLD);
  ended_children_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  std::array<int, 2> pipe{-1, -1};
  // O_NONBLOCK on this end alone; otherwise a silent command would block the supervisor beyond the time limit.
  if (ended_children_ < 0 || ::pipe2(pipe.data(), O_CLOEXEC) != 0 || ::fcntl(pipe[0], F_SETFL, O_NONBLOCK) != 0) {
    fail(CommandResult::End::not_started, errno);
  }
  // Done here, not in the child, so that a failure can be reported, and the supervisor keeps no more rights than the command
  // gets.
  if (const auto taken = apply_capabilities(request_.capabilities); !taken)
    fail(CommandResult::End::not_allowed, taken.error().code);
  shell_ = ::fork();
  if (shell_ == 0) become_command(pipe[1], command, environment);
  if (shell_ < 0) fail(CommandResult::End::not_started, errno);
  ::close(pipe[1]);
  output_ = pipe[0];
}

void CommandSupervisor::wait_for_event() {
  const auto left = std::chrono::ceil<milliseconds>(due_ - Clock::now());
  const int timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
  // The daemon never sends anything here: only the close of its end matters.
  std::array<pollfd, 3> polled{pollfd{ended_children_, POLLIN, 0}, pollfd{output_, POLLIN, 0},
                               pollfd{orphaned_ ? -1 : results_, 0, 0}};
  if (::poll(polled.data(), polled.size(), timeout) < 0) return;
  if (polled[0].revents != 0) {
    signalfd_siginfo ignored{};
    while (::read(ended_children_, &ignored, sizeof ignored) > 0) {
    }
  }
  if (polled[1].revents != 0) read_output(std::size_t{64} << 10);
  if (polled[2].revents != 0) {
    orphaned_ = true;
    if (stage_ == Stage::running) begin(Stage::terminating);
  }
}

void CommandSupervisor::read_output(std::size_t at_most) {
  std::array<char, std::size_t{64} << 10> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (std::size_t done = 0; done < at_most && output_ >= 0;) {
    const ssize_t size = ::read(output_, bytes.data(), bytes.size());
    if (size == 0) {
      ::close(output_);
      output_ = -1;
    }
    if (size <= 0) return;
    keep(bytes.data(), static_cast<std::size_t>(size));
    done += static_cast<std::size_t>(size);
  }
}

void CommandSupervisor::keep(const char* bytes, std::size_t size) {
  result_.output_size += size;
  const std::size_t to_head = std::min(size, output_part - result_.head_size);
  std::memcpy(head_.data() + result_.head_size, bytes, to_head);
  result_.head_size += static_cast<std::uint32_t>(to_head);
  const std::size_t to_tail = std::min(size - to_head, output_part);
  const std::size_t stays = std::min<std::size_t>(result_.tail_size, output_part - to_tail);
  std::memmove(tail_.data(), tail_.data() + result_.tail_size - stays, stays);
  std::memcpy(tail_.data() + stays, bytes + size - to_tail, to_tail);
  result_.tail_size = static_cast<std::uint32_t>(stays + to_tail);
}

/// Begins the next stage when it is due, and exits when all processes that must end have ended.
void CommandSupervisor::advance() {
  const bool others_running = reap_orphans();
  siginfo_t info{};
  // The shell is not reaped until the exit, so that its PID and that of its group are not reused.
  const bool shell_ended =
      ::waitid(P_PID, static_cast<id_t>(shell_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  if (shell_ended && (stage_ == Stage::running || !others_running)) {
    if (result_.end == CommandResult::End::exited) {
      result_.end = info.si_code == CLD_EXITED ? CommandResult::End::exited : CommandResult::End::signalled;
      result_.code = info.si_status;
    }
    result_.left_running = others_running;
    finish();
  }
  if (Clock::now() < due_) return;
  if (stage_ == Stage::running) {
    result_.end = CommandResult::End::timed_out;
    begin(Stage::terminating);
  } else {
    begin(Stage::killing);
  }
}

void CommandSupervisor::begin(Stage stage) {
  stage_ = stage;
  const bool kill_now = stage == Stage::killing;
  // Signal the group first, then processes that left it. In a deeper tree than this the rest follows in later rounds, because
  // orphans become children of the supervisor.
  const int signal = kill_now ? SIGKILL : SIGTERM;
  ::kill(-shell_, signal);
  signal_descendants(::getpid(), signal, kill_now ? 0 : 16);
  due_ = Clock::now() + (kill_now ? kill_round : grace);
}

/// Reaps children other than the shell, which are orphans of the command. Returns whether some of them still run.
bool CommandSupervisor::reap_orphans() const {
  bool any = false;
  Children children(::getpid());
  while (const auto child = children.next()) {
    if (*child != shell_ && ::waitpid(*child, nullptr, WNOHANG) == 0) any = true;
  }
  return any;
}

void CommandSupervisor::fail(CommandResult::End end, int code) {
  result_.end = end;
  result_.code = code;
  finish();
}

void CommandSupervisor::finish() {
  if (output_ >= 0) read_output(pipe_capacity);
  std::array<iovec, 3> parts{iovec{&result_, sizeof result_}, iovec{head_.data(), result_.head_size},
                             iovec{tail_.data(), result_.tail_size}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  // The call waits while the daemon does not read, and fails once the daemon is gone. If the result cannot be sent, the server
  // reports it as lost.
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(results_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  ::_exit(sent < 0 ? 1 : 0);
}

}  // namespace nswarden
