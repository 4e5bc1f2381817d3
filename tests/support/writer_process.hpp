// SPDX-License-Identifier: Apache-2.0
// A child process that runs an action, such as writing a sysctl, and then waits for the order to exit. Writes must come from
// another process because the watcher ignores fanotify events of its own process.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <utility>

#include <nswarden/os/fd.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

class WriterProcess {
 public:
  /// Returns once `action` has run; each call of run_again() runs it again. `action` returns true for success.
  explicit WriterProcess(std::function<bool()> action) {
    int to[2];
    int from[2];
    netns_dir();
    REQUIRE((::pipe2(to, O_CLOEXEC) == 0 && ::pipe2(from, O_CLOEXEC) == 0));
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      // Later children inherit the parent's ends of these pipes, so the exit of the parent does not close them.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      char order = 0;
      while (::read(to[0], &order, 1) == 1 && order == go) {
        const char answer = action() ? 'y' : 'n';
        if (::write(from[1], &answer, 1) != 1) break;
      }
      ::_exit(0);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_.reset(to[1]);
    from_.reset(from[0]);
    run_again();
  }
  ~WriterProcess() { reap(); }
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  void run_again() {
    send_order(go);
    char answer = 0;
    REQUIRE(::read(from_.get(), &answer, 1) == 1);
    REQUIRE(answer == 'y');
  }

  /// Ends the process and leaves it a zombie.
  void end() {
    if (!std::exchange(ended_, true)) send_order(stop);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void reap() {
    if (std::exchange(reaped_, true)) return;
    end();
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  static constexpr char go = 'g';
  static constexpr char stop = 's';
  void send_order(char order) const { [[maybe_unused]] const ssize_t written = ::write(to_.get(), &order, 1); }

  pid_t pid_ = 0;
  bool ended_ = false;
  bool reaped_ = false;
  Fd to_;
  Fd from_;
};

/// For single-threaded processes: neither throws nor allocates, as libc requires after a fork.
inline bool enter_netns(const std::string& path) {
  const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return netns && ::setns(netns.get(), CLONE_NEWNET) == 0;
}

inline bool put(const std::string& path, const std::string& value) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

/// Writes /proc/sys/<key> of the netns at `path`.
inline std::function<bool()> sysctl_write(const std::string& path, const std::string& key, const std::string& value) {
  return [=] { return enter_netns(path) && put("/proc/sys/" + key, value); };
}

}  // namespace nswarden::test
