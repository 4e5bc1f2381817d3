// SPDX-License-Identifier: Apache-2.0
// LinkWatcher reports early that sysctls of interfaces came or went in a netns. One netlink socket in the daemon's own netns receives
// the messages of every netns that has an id there (NETLINK_LISTEN_ALL_NSID), and keeps none alive (kernel fact 31). The messages are
// about the directories conf/NAME themselves, so a carrier that flaps makes none, and a renamed interface makes one when its files
// are there. It decides nothing: every event only says "look again". Loop thread only, in its own netns.
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
  std::vector<std::uint64_t> netns;  ///< inode numbers of their nsfs files, each once
  std::size_t events = 0;            ///< messages about one of these: a new interface makes two, a new name four
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

  /// Reports changes of the links of this netns from now on, until it dies. `netns`: an fd of its file, which may be closed then.
  /// False when that is impossible: the watcher is down, or the netns has no id here and may not be given one (CAP_NET_ADMIN). May
  /// be called again for the same netns.
  bool follow(int netns, std::uint64_t inode);

  /// A batch of what waits, at most 64 messages, without blocking.
  LinkChanges read();

 private:
  /// A netns that counts from where the answer to `marker` stands among the messages.
  struct Newcomer {
    std::uint32_t marker = 0;
    int id = 0;
    std::uint64_t inode = 0;
  };

  Result<void> open();
  void expect(int id, std::uint64_t inode);
  void settle(std::size_t count);
  void take(const nlmsghdr& message, std::optional<int> from, LinkChanges& changes);
  [[nodiscard]] bool is_own(std::optional<int> from) const;

  Fd socket_;
  std::string problem_;
  std::uint64_t own_inode_ = 0;
  std::unordered_map<int, std::uint64_t> inodes_;  // by the id of the netns; our own also by none
  std::vector<Newcomer> newcomers_;                // in order of their markers
  std::uint32_t marker_ = 0;                       // the last one
};

}  // namespace nswarden
