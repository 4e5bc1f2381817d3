// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/link_watcher.hpp>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netconf.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <nswarden/base/text.hpp>
#include "netns/netns_ids.hpp"

namespace nswarden {

namespace {

constexpr std::size_t max_messages = 64;
constexpr int buffer_size = 1 << 20;

// These messages match the lifetime of an interface's sysctls exactly. RTM_NEWLINK comes too early for a new name, and also for
// carrier changes (kernel fact 31). Messages about ids report the death of a netns (kernel fact 51).
constexpr std::array<int, 3> groups{RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID};

// Size of the message sent for a write to forwarding, rp_filter, ...: the interface index and that one value. A message with
// all values reports new files (kernel fact 52).
constexpr std::uint32_t single_value_size =
    NLMSG_LENGTH(NLMSG_ALIGN(sizeof(netconfmsg))) + 2 * (NLA_HDRLEN + sizeof(std::int32_t));

const char* link_remedy(int error) {
  switch (error) {
    case EPERM: return "grant CAP_NET_BROADCAST";
    case EMFILE:
    case ENFILE: return "raise the limit of open files";
    default: return "the daemon retries";
  }
}

bool set_option(int socket, int level, int option, int value) {
  return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

/// A process that writes sysctls constantly, possibly the daemon itself, then neither wakes the loop nor fills the buffer.
bool ignore_write_messages(int socket) {
  constexpr std::uint8_t drop = 0;
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNETCONF), 0, 3),
                    sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_len)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(single_value_size), 0, 1),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, drop),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)};
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

std::uint64_t inode_of_own_netns() {
  struct stat status {};
  return ::stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

/// Receive buffer for one message, its sender and the id of the originating netns.
class ReceivedMessage {
 public:
  ReceivedMessage() {
    header_.msg_name = &sender_;
    header_.msg_iov = &part_;
    header_.msg_iovlen = 1;
  }
  /// Returns the size in bytes, or an error if no message is pending.
  Result<std::size_t> receive(int socket) {
    header_.msg_namelen = sizeof sender_;
    header_.msg_control = control_.data();
    header_.msg_controllen = control_.size();
    const ssize_t size = ::recvmsg(socket, &header_, MSG_DONTWAIT);
    if (size < 0) return Error{errno, "read netlink"};
    return static_cast<std::size_t>(size);
  }
  [[nodiscard]] bool is_complete() const { return (header_.msg_flags & MSG_TRUNC) == 0; }
  [[nodiscard]] bool is_from_kernel() const { return sender_.nl_pid == 0; }
  [[nodiscard]] const nlmsghdr* first() const { return reinterpret_cast<const nlmsghdr*>(bytes_.data()); }
  /// nullopt: the daemon's own netns. If that has an id for itself, kernels before Linux 7.1 may report the id instead.
  [[nodiscard]] std::optional<int> netns() {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header_); part != nullptr; part = CMSG_NXTHDR(&header_, part)) {
      if (part->cmsg_level != SOL_NETLINK || part->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
      int id = 0;
      std::memcpy(&id, CMSG_DATA(part), sizeof id);
      return id == no_netns_id ? std::nullopt : std::optional(id);
    }
    return std::nullopt;
  }

 private:
  // The longest message of the groups is 76 bytes.
  alignas(nlmsghdr) std::array<char, 1024> bytes_{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_{};
  sockaddr_nl sender_{};
  iovec part_{bytes_.data(), bytes_.size()};
  msghdr header_{};
};

}  // namespace

LinkWatcher::LinkWatcher() { rearm(); }

bool LinkWatcher::rearm() {
  if (socket_) return false;
  const Result<void> opened = open();
  problem_ = opened ? std::string() : text_of(opened.error(), link_remedy(opened.error().code));
  return opened.ok();
}

Result<void> LinkWatcher::open() {
  own_inode_ = inode_of_own_netns();
  if (own_inode_ == 0) return Error{errno, "stat own netns"};
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!socket) return Error{errno, "open netlink socket"};
  if (!set_option(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, buffer_size)) {
    (void)set_option(socket.get(), SOL_SOCKET, SO_RCVBUF, buffer_size);
  }
  if (!ignore_write_messages(socket.get())) return Error{errno, "filter netlink"};
  if (!set_option(socket.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)) {
    return Error{errno, "subscribe to interfaces of other netns"};
  }
  for (const int group : groups) {
    if (!set_option(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)) return Error{errno, "subscribe to interfaces"};
  }
  socket_ = std::move(socket);
  return {};
}

bool LinkWatcher::follow(int netns, std::uint64_t inode) {
  if (!socket_) return false;
  if (inode == own_inode_) add_pending(no_netns_id, inode);
  Result<NetnsIds> ids = NetnsIds::open();
  if (!ids) return inode == own_inode_;
  const Result<std::optional<int>> found = ids->find(netns);
  if (found && *found) {
    add_pending(**found, inode);
    return true;
  }
  if (inode == own_inode_) return true;
  const Result<int> given = ids->assign(netns);
  if (!given) return false;
  add_pending(*given, inode);
  return true;
}

/// Messages already queued, including the death notice, concern the previous netns with this id. The kernel's reply to the
/// marker shows the end of those messages (kernel fact 51).
void LinkWatcher::add_pending(int id, std::uint64_t inode) {
  nlmsghdr marker{};
  marker.nlmsg_len = sizeof marker;
  marker.nlmsg_type = NLMSG_NOOP;
  marker.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  marker.nlmsg_seq = ++marker_;
  pending_.push_back({marker_, id, inode});
  // If this fails or the reply is dropped, read() settles the newcomer.
  (void)::send(socket_.get(), &marker, sizeof marker, MSG_DONTWAIT);
}

/// Starts following the first `count` newcomers.
void LinkWatcher::activate_pending(std::size_t count) {
  const auto last = pending_.begin() + static_cast<std::ptrdiff_t>(count);
  for (auto one = pending_.begin(); one != last; ++one) inodes_.insert_or_assign(one->id, one->inode);
  pending_.erase(pending_.begin(), last);
}

bool LinkWatcher::is_own(std::optional<int> from) const {
  if (!from) return true;
  const auto found = inodes_.find(*from);
  return found != inodes_.end() && found->second == own_inode_;
}

LinkChanges LinkWatcher::read() {
  LinkChanges changes;
  if (!socket_) return changes;
  ReceivedMessage received;
  for (std::size_t messages = 0; messages < max_messages; ++messages) {
    const Result<std::size_t> size = received.receive(socket_.get());
    if (!size) {
      const int error = size.error().code;
      if (error == EINTR) continue;
      if (error == ENOBUFS) {
        changes.lost = true;
        continue;
      }
      // The queue is empty, so no older message precedes the newcomers even if a reply to a marker was lost.
      activate_pending(pending_.size());
      if (error == EAGAIN) return changes;
      // A lasting error: the watcher goes down to report it, because further polling would wake the loop again and again.
      problem_ = text_of(size.error(), link_remedy(error));
      socket_.reset();
      changes.lost = true;
      return changes;
    }
    if (!received.is_from_kernel()) continue;
    changes.lost = changes.lost || !received.is_complete();
    int left = static_cast<int>(*size);
    for (const nlmsghdr* message = received.first(); mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      handle_message(*message, received.netns(), changes);
    }
  }
  changes.more = true;
  return changes;
}

void LinkWatcher::handle_message(const nlmsghdr& message, std::optional<int> from, LinkChanges& changes) {
  if (message.nlmsg_type == NLMSG_ERROR) {
    const auto pending = std::find_if(pending_.begin(), pending_.end(),
                                      [&message](const PendingNetns& one) { return one.marker == message.nlmsg_seq; });
    if (pending != pending_.end()) activate_pending(static_cast<std::size_t>(pending - pending_.begin()) + 1);
  } else if (message.nlmsg_type == RTM_DELNSID) {
    // Other netns assign their own ids.
    const std::optional<int> id = is_own(from) ? netns_id_in(message) : std::nullopt;
    if (id) inodes_.erase(*id);
  } else if (message.nlmsg_type == RTM_NEWNETCONF || message.nlmsg_type == RTM_DELNETCONF) {
    const auto found = inodes_.find(from.value_or(no_netns_id));
    if (found == inodes_.end()) return;
    ++changes.events;
    const auto known = std::find(changes.netns.begin(), changes.netns.end(), found->second);
    if (known == changes.netns.end()) changes.netns.push_back(found->second);
  }
}

}  // namespace nswarden
