// SPDX-License-Identifier: Apache-2.0
// What the reconciler knows of each name and each netns. Only for its two sources.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/reconciler.hpp>
#include "engine/governed_netns.hpp"

namespace nswarden {

// A name whose mount has not come after this long is a stale file (Neutron leaves them): still looked at by every sweep and after
// every change of the mount table, but no longer counted as pending.
constexpr std::chrono::seconds pending_for{10};
struct Reconciler::NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Reconciler::Name {
  std::uint16_t directory = 0;
  std::string name;
  std::string label;
  EntryKind kind = EntryKind::absent;
  Time since;                // when it became of this kind
  Netns* netns = nullptr;    // while it leads to one
  std::uint64_t listed = 0;  // number of the last listing that had it
  std::optional<Refusal> told;
  NameKind source = NameKind::entry;

  [[nodiscard]] bool pending(Time now) const { return kind == EntryKind::placeholder && now - since < pending_for; }
};

struct Reconciler::Netns {
  GovernedNetns governed;
  std::vector<Name*> names;               // never empty but on the way out; the first in byte order of the labels is shown
  std::size_t index = 0;                  // into netns_
  std::size_t reserved = 0;               // its part of reserved_fds_
  std::size_t extra = 0;                  // its part of extra_fds_
  std::uint64_t swept = 0;                // number of the last sweep in which it was visited
  std::size_t queue = none;               // in which it waits
  std::optional<Time> write_seen{};       // since its last visit
  std::vector<std::size_t> written_to{};  // settings, since then
  std::optional<Time> retry_at{};         // as it is in retries_
  std::vector<PolicyIndex> announced{};   // policies that reports of its life have named as newly matched, ascending
  bool unannounced = true;                // the plan may have others
  bool introduced = false;                // there was such a report in its life
  bool told = false;                      // a report said that it is there
  bool links_told = false;                // as its binding says
  bool links_changed = false;             // since its last visit

  [[nodiscard]] const std::string& label() const { return names.front()->label; }
};

}  // namespace nswarden
