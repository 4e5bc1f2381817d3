// SPDX-License-Identifier: Apache-2.0
// A link watcher on the real kernel and a netns that it follows, in a private home netns, so that no other process assigns
// netns ids there. The kernel queues a message before the call that caused it returns, so tests need no waiting (kernel fact
// 65).
#pragma once

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <nswarden/netns/link_watcher.hpp>
#include <nswarden/os/fd.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

using Inodes = std::vector<std::uint64_t>;

inline bool follow(LinkWatcher& watcher, const std::string& path) {
  const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return watcher.follow(netns.get(), inode_of(path));
}

struct LinkReport {
  Inodes netns;  // sorted, without duplicates
  std::size_t events = 0;
  bool lost = false;
};

/// Reads all pending messages.
inline LinkReport link_report(LinkWatcher& watcher) {
  LinkReport report;
  for (bool more = true; more;) {
    const LinkChanges changes = watcher.read();
    report.netns.insert(report.netns.end(), changes.netns.begin(), changes.netns.end());
    report.events += changes.events;
    report.lost = report.lost || changes.lost;
    more = changes.more;
  }
  std::sort(report.netns.begin(), report.netns.end());
  report.netns.erase(std::unique(report.netns.begin(), report.netns.end()), report.netns.end());
  return report;
}

inline bool is_readable(const LinkWatcher& watcher) {
  pollfd polled{watcher.fd(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

/// Runs ip(8) in the netns of the calling thread.
inline void ip(const std::string& command) {
  CAPTURE(command);
  REQUIRE(std::system(("ip " + command).c_str()) == 0);
}

inline void ip_in(const TestNetns& netns, const std::string& command) {
  inside(netns.path(), [&] { ip(command); });
}

/// Runs `action` in a thread with a private home netns.
inline void in_home_netns(const std::function<void()>& action) {
  const TestNetns home("home");
  inside(home.path(), action);
}

/// Runs `action` in a root thread limited to these capabilities.
inline void with_capabilities(std::uint64_t capabilities, const std::function<void()>& action) {
  inside("/proc/thread-self/ns/net", [&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    REQUIRE(::syscall(SYS_capget, &header, sets.data()) == 0);
    sets[0].effective &= static_cast<std::uint32_t>(capabilities);
    sets[1].effective &= static_cast<std::uint32_t>(capabilities >> 32);
    REQUIRE(::syscall(SYS_capset, &header, sets.data()) == 0);
    action();
  });
}

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

/// A followed netns, in a home netns without other ids.
struct FollowedNetns {
  FollowedNetns() {
    REQUIRE(watcher.problem().empty());
    REQUIRE(follow(watcher, netns.path()));
    link_report(watcher);
  }
  TestNetns netns{"followed"};
  LinkWatcher watcher;
  const Inodes followed{inode_of(netns.path())};
};

}  // namespace nswarden::test
