// SPDX-License-Identifier: Apache-2.0
// Ids of other netns in the one of the calling thread: numbers that netlink calls them by. The kernel hands out the lowest free
// one, so that of a dead netns soon is that of another. Having an id keeps no netns alive (kernel
// fact 51).
#pragma once

#include <optional>
#include <utility>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

struct nlmsghdr;

namespace nswarden {

/// Of a netns that has none; where one is given, it lets the kernel choose.
constexpr int no_netns_id = -1;

/// Of the netns that a message about ids is about.
std::optional<int> netns_id_in(const nlmsghdr& message);

class NetnsIds {
 public:
  /// A socket for a few questions, in the netns of the calling thread.
  static Result<NetnsIds> open();

  /// Of the netns behind an fd of its file; none when it has none.
  Result<std::optional<int>> find(int netns);
  /// Gives it one, or finds the one that it has. Needs CAP_NET_ADMIN here.
  Result<int> give(int netns);

 private:
  explicit NetnsIds(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace nswarden
