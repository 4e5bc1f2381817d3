// SPDX-License-Identifier: Apache-2.0
// Ids that the calling thread's netns assigns to other netns, for use in netlink messages. The kernel assigns the lowest free
// id, so another netns soon gets the id of a dead one. An id keeps no netns alive (kernel fact 51).
#pragma once

#include <optional>
#include <utility>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

struct nlmsghdr;

namespace nswarden {

/// Id of a netns without one; in an assignment, the kernel chooses the id.
constexpr int no_netns_id = -1;

/// The netns id that a message about ids concerns.
std::optional<int> netns_id_in(const nlmsghdr& message);

class NetnsIds {
 public:
  /// Opens a socket for a few requests, in the netns of the calling thread.
  static Result<NetnsIds> open();

  /// The id of the netns behind an fd of its file; nullopt if it has none.
  Result<std::optional<int>> find(int netns);
  /// Assigns an id or returns the existing one. Needs CAP_NET_ADMIN here.
  Result<int> assign(int netns);

 private:
  explicit NetnsIds(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace nswarden
