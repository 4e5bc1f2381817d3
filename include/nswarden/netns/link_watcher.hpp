// SPDX-License-Identifier: Apache-2.0
// LinkWatcher reports early that interface sysctls appeared or disappeared in a netns. One netlink socket in the daemon's own
// netns receives the messages of every netns that has an id there (NETLINK_LISTEN_ALL_NSID), and keeps none alive (kernel fact
// 31). The messages concern the directories conf/NAME themselves: a flapping carrier sends none, and a renamed interface sends
// one when its files exist. An event is only a hint to check again. Loop thread only, in its own netns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

struct nlmsghdr;

namespace nswarden {

struct LinkChanges {
  std::vector<std::uint64_t> netns;  ///< inode numbers of their nsfs files, without duplicates
  std::size_t events = 0;            ///< number of messages about these: two for a new interface, four for a rename
  bool lost = false;                 ///< the kernel dropped messages: any netns may have changed
  bool more = false;                 ///< the batch was full: read again
};

class LinkWatcher {
 public:
  /// Never fails: without a socket the watcher is down, problem() gives the reason, and rearm() tries again.
  LinkWatcher();

  /// Poll for POLLIN; -1 while down. Only rearm() opens the socket, only read() may close it.
  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Tries again if down. True if this call brought the watcher up: earlier changes are unknown.
  bool rearm();
  /// One line with the reason and the remedy; empty when up.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  /// Reports link changes of this netns until it dies. `netns` is an fd of its file and may be closed after the call. False if
  /// the watcher is down, or if the netns has no id here and assigning one is not permitted (CAP_NET_ADMIN). May be called
  /// again for the same netns.
  bool follow(int netns, std::uint64_t inode);

  /// Returns a batch of at most 64 pending messages, without blocking.
  LinkChanges read();

 private:
  /// A netns that is followed from the position of the reply to `marker` in the message stream.
  struct PendingNetns {
    std::uint32_t marker = 0;
    int id = 0;
    std::uint64_t inode = 0;
  };

  Result<void> open();
  void add_pending(int id, std::uint64_t inode);
  void activate_pending(std::size_t count);
  void handle_message(const nlmsghdr& message, std::optional<int> from, LinkChanges& changes);
  [[nodiscard]] bool is_own(std::optional<int> from) const;

  Fd socket_;
  std::string problem_;
  std::uint64_t own_inode_ = 0;
  std::unordered_map<int, std::uint64_t> inodes_;  // by netns id; no_netns_id also maps to the daemon's own netns
  std::vector<PendingNetns> pending_;              // in order of their markers
  std::uint32_t marker_ = 0;                       // the latest one
};

}  // namespace nswarden
