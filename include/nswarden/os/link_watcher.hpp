// SPDX-License-Identifier: Apache-2.0
// Learns early that interfaces of some netns came, went or were renamed: one netlink socket in our own netns is told of the
// links of every netns that has an id there (NETLINK_LISTEN_ALL_NSID), and none is kept alive by it (kernel fact 31).
// It decides nothing: every event only says "look again". Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <nswarden/os/fd.hpp>

namespace nswarden::os {

struct LinkChanges {
  std::vector<std::uint64_t> netns;  ///< inode numbers of their nsfs files, each once
  std::size_t events = 0;            ///< messages that told of links
  bool lost = false;                 ///< the kernel dropped messages: any netns may have changed
  bool more = false;                 ///< the batch was full: read again
};

class LinkWatcher {
 public:
  /// Never fails: when there is none, it is down, with its reason, and rearm() tries again.
  LinkWatcher();

  /// To be polled for POLLIN; -1 while there is none. Only rearm() opens one, only read() may close it.
  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Tries again if it is down. True when it is up since this call: nothing is known of the time before.
  bool rearm();
  /// Why it is down, one line with the remedy; empty when it is up.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  /// From now on changes of the links of this netns are told, to its end. `netns`: an fd of its file, which may be closed then.
  /// False when they will not be. Does nothing the second time.
  bool follow(int netns, std::uint64_t inode);

  /// A batch of what waits, without blocking.
  LinkChanges read();

 private:
  Fd socket_;
  std::string problem_;
  std::unordered_map<int, std::uint64_t> inodes_;  // by the id of the netns
};

}  // namespace nswarden::os
