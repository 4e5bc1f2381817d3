// SPDX-License-Identifier: Apache-2.0
// A sysctl watcher on the real kernel, with a netns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

inline const std::string keepalive = "net/ipv4/tcp_keepalive_time";

struct Seen {
  std::vector<SysctlWrite> writes;
  bool lost = false;
};

/// Reads all pending events; returns those of the writes of `pid`.
inline Seen seen_of(SysctlWatcher& watcher, pid_t pid) {
  Seen seen;
  for (bool more = true; more;) {
    SysctlWrites batch = watcher.read();
    CHECK(batch.writes.size() <= 64);
    for (SysctlWrite& write : batch.writes) {
      if (write.pid == pid) seen.writes.push_back(std::move(write));
    }
    seen.lost = seen.lost || batch.lost;
    more = batch.more;
  }
  return seen;
}

/// A catalog, a netns with two bound keys, and a watcher.
struct WatchedNetns : NetnsWithKeys {
  explicit WatchedNetns(Tier tier = Tier::held)
      : NetnsWithKeys({"net.ipv4.ip_forward", "net.ipv4.tcp_keepalive_time"}),
        bound(bind(tier)),
        watcher(catalog.sysctl_files()) {
    REQUIRE(watcher.problem().empty());
    watcher.watch_names({"ip_forward", "tcp_keepalive_time"});
  }
  SysctlFiles::Place place(std::uint32_t key) const { return {bound.id.inode, key}; }
  SysctlFiles& files() const { return catalog.sysctl_files(); }

  Binding bound;
  SysctlWatcher watcher;
};

}  // namespace nswarden::test
