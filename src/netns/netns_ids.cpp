// SPDX-License-Identifier: Apache-2.0
#include "netns/netns_ids.hpp"

#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace nswarden {

namespace {

/// A request and its answer in one buffer.
class NetlinkRequest {
 public:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags) : message_(mnl_nlmsg_put_header(bytes_.data())) {
    message_->nlmsg_type = type;
    message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    auto* body = static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(message_, sizeof(rtgenmsg)));
    body->rtgen_family = AF_UNSPEC;
  }
  [[nodiscard]] nlmsghdr* message() const { return message_; }

  /// The kernel answers before send() returns. An error in the answer becomes the result.
  Result<const nlmsghdr*> query(int socket) {
    if (::send(socket, message_, message_->nlmsg_len, 0) < 0) return Error{errno, "request netns id"};
    const ssize_t size = ::recv(socket, bytes_.data(), bytes_.size(), MSG_DONTWAIT);
    if (size < 0) return Error{errno, "read netns id"};
    if (!mnl_nlmsg_ok(message_, static_cast<int>(size))) return Error{EBADMSG, "read netns id"};
    if (message_->nlmsg_type == NLMSG_ERROR) {
      if (mnl_nlmsg_get_payload_len(message_) < sizeof(nlmsgerr)) return Error{EBADMSG, "read netns id"};
      const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message_))->error;
      if (error != 0) return Error{error, "request netns id"};
    }
    return static_cast<const nlmsghdr*>(message_);
  }

 private:
  alignas(nlmsghdr) std::array<char, 512> bytes_{};
  nlmsghdr* message_;
};

int take_id(const nlattr* attribute, void* id) {
  if (mnl_attr_get_type(attribute) != NETNSA_NSID || mnl_attr_validate(attribute, MNL_TYPE_U32) < 0) return MNL_CB_OK;
  *static_cast<std::optional<int>*>(id) = static_cast<int>(mnl_attr_get_u32(attribute));
  return MNL_CB_STOP;
}

}  // namespace

std::optional<int> netns_id_in(const nlmsghdr& message) {
  std::optional<int> id;
  mnl_attr_parse(&message, sizeof(rtgenmsg), take_id, &id);
  return id;
}

Result<NetnsIds> NetnsIds::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return Error{errno, "open netlink socket"};
  return NetnsIds(std::move(socket));
}

Result<std::optional<int>> NetnsIds::find(int netns) {
  NetlinkRequest request(RTM_GETNSID, 0);
  mnl_attr_put_u32(request.message(), NETNSA_FD, static_cast<std::uint32_t>(netns));
  const Result<const nlmsghdr*> answer = request.query(socket_.get());
  if (!answer) return answer.error();
  const std::optional<int> id = netns_id_in(**answer);
  if (!id) return Error{EBADMSG, "read netns id"};
  return *id == no_netns_id ? std::nullopt : id;
}

Result<int> NetnsIds::assign(int netns) {
  NetlinkRequest request(RTM_NEWNSID, NLM_F_ACK);
  mnl_attr_put_u32(request.message(), NETNSA_NSID, static_cast<std::uint32_t>(no_netns_id));
  mnl_attr_put_u32(request.message(), NETNSA_FD, static_cast<std::uint32_t>(netns));
  const Result<const nlmsghdr*> done = request.query(socket_.get());
  if (!done && done.error().code != EEXIST) return done.error();
  const Result<std::optional<int>> id = find(netns);
  if (!id) return id.error();
  if (!*id) return Error{ENOENT, "find new netns id"};
  return **id;
}

}  // namespace nswarden
