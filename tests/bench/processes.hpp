// SPDX-License-Identifier: Apache-2.0
// Processes of a benchmark. They run in namespaces of their own, so that their effects stay inside, the bare loop writes only
// to the benchmark's files, and all of them end with the benchmark in any case.
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

/// Runs `action` as process 1 of a PID namespace, with its own procfs and an empty /run/netns, for at most `limit`. Returns the
/// exit status; 77 without permission.
int isolated(std::chrono::seconds limit, const std::function<int()>& action);

/// A forked process, killed by the destructor.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Both return after the state change.
  void stop() const;
  void go() const;

 private:
  pid_t pid_;
};

/// A running `nswarden run`.
class Daemon {
 public:
  struct Settings {
    std::string binary;
    std::string prefix;             ///< governs the netns whose names have this prefix
    std::vector<std::string> keys;  ///< paths below net; the wanted value is 1
    std::string interval = "1h";
    std::size_t open_files = 0;   ///< limit; 0 to inherit it
    std::string web_config = {};  ///< `--web.config.file`; empty for none
    /// Returns the response to GET PATH; plain HTTP if empty.
    std::function<std::string(std::uint16_t port, const std::string& path)> ask = {};
  };
  /// Returns after the first sweep.
  explicit Daemon(const Settings& settings);
  [[nodiscard]] const Child& process() const { return child_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::chrono::duration<double> start() const { return start_; }
  /// A sample as named by `/metrics`, including labels.
  [[nodiscard]] double metric(const std::string& sample) const;
  /// Triggers a sweep by a reload and waits for it.
  void sweep() const;

 private:
  [[nodiscard]] std::string get(const std::string& path) const;

  std::uint16_t port_;
  std::string config_;
  std::function<std::string(std::uint16_t, const std::string&)> ask_;
  Child child_;
  std::chrono::duration<double> start_{};
};

/// The minimal repair loop: reads a fanotify event and writes "1" to its file. It receives all writes after this function
/// returns.
std::unique_ptr<Child> start_bare_loop();
/// Moves the calling thread and its children off its first allowed core, if it has another one: the measured process leaves
/// that core to the observer.
void leave_first_core();
/// Pins the calling thread to its first allowed core for the object's lifetime. Children started meanwhile inherit this. No
/// effect with only one core.
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
