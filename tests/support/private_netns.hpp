// SPDX-License-Identifier: Apache-2.0
// Netns for tests, out of everybody's sight: the program has a mount namespace of its own with an empty /run/netns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <nswarden/os/fd.hpp>

namespace nswarden::test {

/// The private directory, "/run/netns". The first call, before any thread, moves the program into its own mount namespace;
/// where that is not allowed the program says so and exits with 77, which ctest shows as skipped.
const std::string& netns_dir();

/// A fresh directory, a tmpfs of its own, that goes with its scope.
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

/// Makes a netns and mounts it over a new file at `path`; all as `ip netns add` does, but in microseconds.
void make_netns(const std::string& path);
/// Unmounts and unlinks; an absent path is fine.
void remove_netns(const std::string& path);
/// Mounts the namespace file, or any other, over `path`, which is made when absent.
void bind_mount(const std::string& source, const std::string& path);
void unmount(const std::string& path);

/// A netns that goes with its scope.
class TestNetns {
 public:
  /// `/run/netns/NAME`; without a name, one that no other has.
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

/// Runs `what` in a thread that is in the netns at `path`.
void inside(const std::string& path, const std::function<void()>& what);

/// Of any file, such as that of a netns; throws std::system_error.
std::uint64_t inode_of(const std::string& path);

/// Opens /proc/sys/<key> of the netns at `path`, by a thread of its own; throws std::system_error.
Fd open_sysctl(const std::string& path, const std::string& key, int flags);

/// Waits until a sysctl that was opened in a netns has gone with it; false when it did not.
bool dies(const Fd& sysctl);

/// Of /proc/sys/<key>, of the netns at `path`, by a thread of its own; throws std::system_error.
std::string read_sysctl(const std::string& path, const std::string& key);
void write_sysctl(const std::string& path, const std::string& key, const std::string& value);

/// Runs `what` in a thread that is no root any more, with the capabilities that are kept.
enum class Keep { nothing, sys_admin, net_admin };  ///< net_admin: SYS_ADMIN and NET_ADMIN
void as_nobody(Keep keep, const std::function<void()>& what);

/// Runs `what` in a thread for which the kernel lacks what is newer than Linux 5.14 has and we use: NS_GET_ID, epoll_pwait2, and
/// a pidfd and errors in events of fanotify; and openat2 too.
void on_older_kernel(const std::function<void()>& what);

/// Makes an interface in the netns of the calling thread.
void add_bridge(const std::string& name);
void remove_bridge(const std::string& name);

void write_file(const std::string& path, std::string_view content);

/// Waits until `condition` holds; false when it did not within `limit`.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace nswarden::test
