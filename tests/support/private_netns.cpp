// SPDX-License-Identifier: Apache-2.0
#include "private_netns.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/process.hpp>
#include "stretched.hpp"

namespace nswarden::test {
namespace {

[[noreturn]] void fail(const std::string& attempt) { throw std::system_error(errno, std::generic_category(), attempt); }

void check(bool done, const std::string& attempt) {
  if (!done) fail(attempt);
}

/// Runs `action` in its own thread, so that changes of namespaces end with the thread.
void in_thread(const std::function<void()>& action) {
  std::exception_ptr thrown;
  std::thread thread([&] {
    try {
      action();
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  thread.join();
  if (thrown) std::rethrow_exception(thrown);
}

void touch(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
  check(static_cast<bool>(file), "create " + path);
}

std::string enter_private_mounts() {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0) {
    std::fputs("skipped: making network namespaces needs root\n", stderr);
    std::_Exit(77);
  }
  // As the daemon does: surveys hold all files of two netns.
  check(raise_open_files().ok(), "raise the limit of open files");
  check(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
  std::string directory = "/run/netns";
  if (::mkdir(directory.c_str(), 0755) != 0) check(errno == EEXIST, "mkdir " + directory);
  check(::mount("none", directory.c_str(), "tmpfs", 0, nullptr) == 0, "mount " + directory);
  return directory;
}

}  // namespace

const std::string& netns_dir() {
  static const std::string directory = enter_private_mounts();
  return directory;
}

TempDir::TempDir() {
  netns_dir();
  std::string pattern = "/tmp/nswarden-test.XXXXXX";
  check(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
  path_ = pattern;
  // A tmpfs: its mounts are removed with it, and it uses memory instead of disk.
  check(::mount("none", path_.c_str(), "tmpfs", 0, nullptr) == 0, "mount " + path_);
}

TempDir::~TempDir() {
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

void undo_presets() {
  for (const std::string key : {"ip_forward", "conf/all/rp_filter", "conf/default/rp_filter", "conf/lo/rp_filter"}) {
    const std::string path = "/proc/sys/net/ipv4/" + key;
    std::string value;
    std::ifstream(path) >> value;
    if (value != "0") write_file(path, "0");
  }
}

void make_netns(const std::string& path) {
  netns_dir();
  touch(path);
  in_thread([&] {
    check(::unshare(CLONE_NEWNET) == 0, "unshare netns");
    undo_presets();
    check(::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount netns on " + path);
  });
}

void remove_netns(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  ::unlink(path.c_str());
}

void bind_mount(const std::string& source, const std::string& path) {
  netns_dir();
  touch(path);
  check(::mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount " + source + " on " + path);
}

void unmount(const std::string& path) { check(::umount2(path.c_str(), MNT_DETACH) == 0, "umount " + path); }

namespace {
std::string fresh_name() {
  static std::atomic<int> count{0};
  return "test-" + std::to_string(++count);
}
}  // namespace

TestNetns::TestNetns() : TestNetns(fresh_name()) {}
TestNetns::TestNetns(std::string name) : name_(std::move(name)), path_(netns_dir() + "/" + name_) { make_netns(path_); }
TestNetns::~TestNetns() { remove_netns(path_); }

void inside(const std::string& path, const std::function<void()>& action) {
  in_thread([&] {
    const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    check(static_cast<bool>(netns), "open " + path);
    check(::setns(netns.get(), CLONE_NEWNET) == 0, "setns " + path);
    action();
  });
}

std::uint64_t inode_of(const std::string& path) {
  struct stat status {};
  check(::stat(path.c_str(), &status) == 0, "stat " + path);
  return status.st_ino;
}

Fd open_sysctl(const std::string& path, const std::string& key, int flags) {
  Fd file;
  inside(path, [&] {
    file.reset(::open(("/proc/sys/" + key).c_str(), flags | O_CLOEXEC));
    check(static_cast<bool>(file), "open " + key);
  });
  return file;
}

bool dies(const Fd& sysctl) {
  struct stat status {};
  return eventually([&] { return ::fstat(sysctl.get(), &status) != 0; });
}

std::string read_sysctl(const std::string& path, const std::string& key) {
  const Fd file = open_sysctl(path, key, O_RDONLY);
  std::array<char, 4096> bytes{};
  const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
  check(size >= 0, "read " + key);
  return {bytes.data(), static_cast<std::size_t>(size)};
}

void write_sysctl(const std::string& path, const std::string& key, const std::string& value) {
  inside(path, [&] { write_file("/proc/sys/" + key, value); });
}

void as_nobody(Keep keep, const std::function<void()>& action) {
  in_thread([&] {
    // Raw system calls affect one thread; the libc functions affect all threads.
    constexpr long nobody = 65534;
    check(::prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) == 0, "keep capabilities");
    check(::syscall(SYS_setresgid, nobody, nobody, nobody) == 0, "setresgid");
    check(::syscall(SYS_setresuid, nobody, nobody, nobody) == 0, "setresuid");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (keep != Keep::nothing) sets[0].effective |= 1U << CAP_SYS_ADMIN;
    if (keep == Keep::net_admin) sets[0].effective |= 1U << CAP_NET_ADMIN;
    sets[0].permitted = sets[0].effective;
    check(::syscall(SYS_capset, &header, sets.data()) == 0, "capset");
    action();
  });
}

namespace {
/// Rules of a seccomp filter that refuse system calls with an error, as older kernels do.
class Refusals {
 public:
  void add(unsigned call, int error) {
    load(offsetof(seccomp_data, nr));
    compare(BPF_JEQ, call, 1);
    refuse(error);
  }
  /// Only with this value (BPF_JEQ) or one of these bits (BPF_JSET) in an argument.
  void add(unsigned call, std::size_t argument, unsigned comparison, unsigned value, int error) {
    load(offsetof(seccomp_data, nr));
    compare(BPF_JEQ, call, 3);
    load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));
    compare(comparison, value, 1);
    refuse(error);
  }
  void apply() {
    rules_.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{static_cast<unsigned short>(rules_.size()), rules_.data()};
    check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
  }

 private:
  void load(std::size_t offset) { rules_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset))); }
  void compare(unsigned comparison, unsigned value, std::uint8_t skipped) {
    rules_.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, skipped));
  }
  void refuse(int error) { rules_.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error))); }

  std::vector<sock_filter> rules_;
};
}  // namespace

void on_older_kernel(const std::function<void()>& action, Cookies cookies) {
  in_thread([&] {
    constexpr unsigned ns_get_id = _IOR(0xb7, 13, std::uint64_t);
    constexpr unsigned report_pidfd_or_fd_error = 0x80 | 0x2000;
    constexpr unsigned netns_cookie = 71;
    Refusals refusals;
    refusals.add(SYS_openat2, ENOSYS);
    refusals.add(SYS_epoll_pwait2, ENOSYS);
    refusals.add(SYS_fanotify_init, 0, BPF_JSET, report_pidfd_or_fd_error, EINVAL);
    refusals.add(SYS_ioctl, 1, BPF_JEQ, ns_get_id, ENOTTY);
    if (cookies == Cookies::none) refusals.add(SYS_getsockopt, 2, BPF_JEQ, netns_cookie, ENOPROTOOPT);
    refusals.apply();
    action();
  });
}

namespace {
void change_bridge(unsigned long request, const std::string& name) {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  check(socket && ::ioctl(socket.get(), request, name.c_str()) == 0, "bridge " + name);
}
}  // namespace

void add_bridge(const std::string& name) { change_bridge(SIOCBRADDBR, name); }
void remove_bridge(const std::string& name) { change_bridge(SIOCBRDELBR, name); }

void write_file(const std::string& path, std::string_view content) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  check(static_cast<bool>(file), "open " + path);
  check(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()), "write " + path);
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + stretched(limit);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace nswarden::test
