// SPDX-License-Identifier: Apache-2.0
#include "engine/binder.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>
#include <vector>

namespace nswarden {
namespace {

bool out_of_files(const BindResult& result) {
  const auto* error = std::get_if<Error>(&result);
  return error != nullptr && (error->code == EMFILE || error->code == ENFILE);
}

}  // namespace

Result<Binder::End> Binder::bind(TrackedNetns& netns, Tier best, Time now) {
  const std::size_t index = netns.index;
  // Names that lead elsewhere are detached; a name that keeps changing must not hold the loop here.
  for (std::size_t tries = netns.names.size() + 1; tries > 0; --tries) {
    TrackedName& name = *netns.names.front();
    Tier tier = std::max(best, best_tier(netns));
    BindResult result = bind_by(name, tier);
    if (const auto* error = std::get_if<Error>(&result)) return *error;
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      names_.refuse(name, *refusal, now);
    } else if (auto& binding = std::get<Binding>(result); binding.id.inode != netns.governed.inode()) {
      names_.recheck(name, now);
    } else if (!drop_strays(netns, now)) {
      netns.links_followed = binding.links_followed;
      const bool first = netns.governed.bound_as(std::move(binding), tier, now);
      recount(netns);
      return first ? End::first : End::again;
    }
    if (!names_.has(index)) return End::gone;
  }
  return End::unstable;
}

/// Binds in the best tier for which the process has fds left, and sets `tier` to it.
BindResult Binder::bind_by(const TrackedName& name, Tier& tier) {
  const std::span<const KeyRequest> key_requests = name.netns->governed.key_requests();
  BindResult result = catalog_.bind(name.directory, name.name, key_requests, tier);
  while (out_of_files(result) && tier != Tier::transient) {
    tier = tier == Tier::held ? Tier::directories : Tier::transient;
    result = catalog_.bind(name.directory, name.name, key_requests, tier);
  }
  return result;
}

/// Names are grouped by inode number. No event reports a name removed by an unmount (kernel fact 2), so it may still be listed
/// after another netns got the number (fact 4), and that netns must not be governed as the dead one was. Returns whether a name
/// was dropped.
bool Binder::drop_strays(TrackedNetns& netns, Time now) {
  const std::vector<TrackedName*> other_names(netns.names.begin() + 1, netns.names.end());
  for (TrackedName* name : other_names) names_.recheck(*name, now);
  return netns.names.size() != other_names.size() + 1;
}

void Binder::unbind(TrackedNetns& netns) {
  netns.governed.unbind();
  extra_ -= std::exchange(netns.extra_fds, 0);
}

void Binder::reserve(TrackedNetns& netns) {
  reserved_ -= netns.reserved_fds;
  netns.reserved_fds = netns.governed.plan()->directories();
  reserved_ += netns.reserved_fds;
}

void Binder::release(TrackedNetns& netns) {
  unbind(netns);
  reserved_ -= std::exchange(netns.reserved_fds, 0);
}

void Binder::recount(TrackedNetns& netns) {
  extra_ -= netns.extra_fds;
  const bool holds_keys = netns.governed.bound() && netns.governed.tier() == Tier::held;
  netns.extra_fds = holds_keys ? above_reserve(netns) : 0;
  extra_ += netns.extra_fds;
}

/// Fds that it would hold in Tier::held beyond its reserved ones.
std::size_t Binder::above_reserve(const TrackedNetns& netns) {
  const std::size_t held = netns.governed.key_requests().size() + netns.governed.plan()->glob_directories();
  return held > netns.reserved_fds ? held - netns.reserved_fds : 0;
}

Tier Binder::best_tier(const TrackedNetns& netns) const {
  const std::size_t other_fds = reserved_ + extra_ - netns.extra_fds;
  if (other_fds + above_reserve(netns) <= fd_budget_) return Tier::held;
  return other_fds <= fd_budget_ ? Tier::directories : Tier::transient;
}

bool Binder::should_rebind(const TrackedNetns& netns) const {
  return best_tier(netns) < netns.governed.tier() || exceeds_budget(netns);
}

bool Binder::exceeds_budget(const TrackedNetns& netns) const {
  return netns.governed.tier() == Tier::held && best_tier(netns) != Tier::held;
}

}  // namespace nswarden
