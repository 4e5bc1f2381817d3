// SPDX-License-Identifier: Apache-2.0
// The processes of a benchmark: in namespaces of their own, so that nothing that they do is seen outside, the bare loop writes to
// nobody else's files, and all of them end with the benchmark however that ends.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nswarden::bench {

/// Runs `what` as process 1 of a PID namespace, with a procfs and an empty /run/netns of its own, for at most `limit`. The exit
/// status: 77 where that is not allowed.
int isolated(std::chrono::seconds limit, const std::function<int()>& what);

/// A forked process that is killed with its scope.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Both return once it is so.
  void stop() const;
  void go() const;

 private:
  pid_t pid_;
};

/// `nswarden run`.
class Daemon {
 public:
  struct Settings {
    std::string binary;
    std::string prefix;             ///< governs the netns with these names
    std::vector<std::string> keys;  ///< below net, as paths; all are to be 1
    std::string interval = "1h";
    std::size_t open_files = 0;   ///< limit; 0: as we have it
    std::string web_config = {};  ///< `--web.config.file`; none when empty
    /// The answer to GET PATH; by plain HTTP when there is no such function.
    std::function<std::string(std::uint16_t port, const std::string& path)> ask = {};
  };
  /// Returns when the first sweep is done.
  explicit Daemon(const Settings& settings);
  [[nodiscard]] const Child& process() const { return child_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::chrono::duration<double> start() const { return start_; }
  /// A sample as `/metrics` names it, labels included.
  [[nodiscard]] double metric(const std::string& sample) const;
  /// Has it sweep, by a reload, and waits until it has.
  void sweep() const;

 private:
  [[nodiscard]] std::string get(const std::string& path) const;

  std::uint16_t port_;
  std::string config_;
  std::function<std::string(std::uint16_t, const std::string&)> ask_;
  Child child_;
  std::chrono::duration<double> start_{};
};

/// The least that can repair a drift: fanotify event, pwrite of "1" to the file of the event, nothing else. It sees writes from
/// the return on.
std::unique_ptr<Child> start_bare_loop();
/// Keeps the calling thread and its children off the first core that it may use, if there is another one: what is measured leaves that to
/// who looks at it.
void leave_first_core();
/// Keeps the calling thread on the first core that it may use while this lives. Children that are started meanwhile would inherit
/// it. Where there is but one core, all stays as it is.
class OnFirstCore {
 public:
  OnFirstCore();
  ~OnFirstCore();
  OnFirstCore(const OnFirstCore&) = delete;
  OnFirstCore& operator=(const OnFirstCore&) = delete;

 private:
  cpu_set_t before_;
};
/// Keeps one core busy.
void spin();

}  // namespace nswarden::bench
