// SPDX-License-Identifier: Apache-2.0
// Netns for tests, hidden from other processes: the program has its own mount namespace with an empty /run/netns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <nswarden/os/fd.hpp>

namespace nswarden::test {

/// The private directory, "/run/netns". The first call must precede all threads: it moves the program into its own mount
/// namespace. If that is not permitted, the program prints a message and exits with 77, which ctest reports as skipped.
const std::string& netns_dir();

/// A fresh tmpfs directory, removed at the end of its scope.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

/// Sets the sysctls that tests expect to be 0 to 0, in the netns of the calling thread. A netns inherits those that the host
/// presets, such as ip_forward = 1 or rp_filter = 2.
void undo_presets();

/// Creates a netns and mounts it over a new file at `path`, as `ip netns add` does, but in microseconds, and undoes presets.
void make_netns(const std::string& path);
/// Unmounts and unlinks `path`, which may be absent.
void remove_netns(const std::string& path);
/// Mounts the namespace file, or any other file, over `path`, creating `path` if absent.
void bind_mount(const std::string& source, const std::string& path);
void unmount(const std::string& path);

/// A netns, removed at the end of its scope.
class TestNetns {
 public:
  /// `/run/netns/NAME`; without a name, a unique one.
  TestNetns();
  explicit TestNetns(std::string name);
  ~TestNetns();
  TestNetns(const TestNetns&) = delete;
  TestNetns& operator=(const TestNetns&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string name_;
  std::string path_;
};

/// Runs `action` in a thread inside the netns at `path`.
void inside(const std::string& path, const std::function<void()>& action);

/// Accepts any file, including a netns; throws std::system_error.
std::uint64_t inode_of(const std::string& path);

/// Opens /proc/sys/<key> of the netns at `path` from its own thread; throws std::system_error.
Fd open_sysctl(const std::string& path, const std::string& key, int flags);

/// Waits until an open sysctl has died with its netns; returns false on timeout.
bool dies(const Fd& sysctl);

/// Reads /proc/sys/<key> of the netns at `path` from its own thread; throws std::system_error.
std::string read_sysctl(const std::string& path, const std::string& key);
void write_sysctl(const std::string& path, const std::string& key, const std::string& value);

/// Runs `action` in an unprivileged thread that keeps only the selected capabilities.
enum class Keep { nothing, sys_admin, net_admin };  ///< net_admin: SYS_ADMIN and NET_ADMIN
void as_nobody(Keep keep, const std::function<void()>& action);

/// Runs `action` in a thread without the kernel features after Linux 5.14 that the daemon uses: NS_GET_ID, epoll_pwait2, and
/// pidfds and errors in fanotify events; openat2 is disabled too, and so are cookies of netns if there are none.
enum class Cookies { of_sockets, none };
void on_older_kernel(const std::function<void()>& action, Cookies cookies = Cookies::of_sockets);

/// Creates a bridge in the netns of the calling thread.
void add_bridge(const std::string& name);
void remove_bridge(const std::string& name);

void write_file(const std::string& path, std::string_view content);

/// Waits until `condition` holds; returns false if it does not within `limit`, stretched on a slow machine.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace nswarden::test
