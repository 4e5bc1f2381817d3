// SPDX-License-Identifier: Apache-2.0
#include "engine/shared_plan.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

namespace nswarden {
namespace {

/// A key that every netns has.
const Key& liveness_key() {
  static const Key key = std::get<Key>(Key::parse("net.ipv4.tcp_keepalive_time"));
  return key;
}

/// The directory that the first glob of a path searches.
std::string_view glob_directory(std::string_view path) {
  const std::string_view before = path.substr(0, path.find_first_of("*?["));
  return before.substr(0, before.rfind('/'));
}

}  // namespace

SharedPlan::SharedPlan(std::shared_ptr<const PolicySet> policies, std::span<const PolicyIndex> matched)
    : policies_(std::move(policies)), plan_(policies_->plan(matched)) {
  const bool has_commands = std::any_of(matched.begin(), matched.end(),
                                        [&](PolicyIndex policy) { return !policies_->policies()[policy].commands->empty(); });
  // Without any key, a dead netns whose inode number is reused would go unnoticed (kernel facts 4 and 29).
  needs_liveness_key_ = has_commands || !plan_.globs.empty();
  std::set<std::string_view> families;
  const Resolution exact = policies_->resolve(plan_, {});
  for (const PlannedSetting& setting : exact.settings) families.insert(family_of(setting.key.path()));
  for (const Key& key : exact.observed) families.insert(family_of(key.path()));
  std::set<std::string_view> directories;
  for (const KeyPattern* glob : plan_.globs) {
    families.insert(family_of(glob->path()));
    directories.insert(glob_directory(glob->path()));
  }
  if (families.empty() && needs_liveness_key_) families.insert("ipv4");
  glob_directories_ = directories.size();
  directories_ = families.size() + glob_directories_;
}

std::shared_ptr<const ResolvedPlan> SharedPlan::resolve(std::vector<Key> found) const {
  std::weak_ptr<const ResolvedPlan>& known = resolved_[found];
  if (auto resolved = known.lock()) return resolved;
  auto made = std::make_shared<ResolvedPlan>();
  made->shared = shared_from_this();
  made->resolution = policies_->resolve(plan_, found);
  std::map<std::string_view, std::size_t> indices;
  for (const PlannedSetting& setting : made->resolution.settings) {
    indices.emplace(setting.key.path(), made->key_requests.size());
    made->key_requests.push_back({&setting.key, setting.mode == Mode::enforce});
  }
  for (const Key& key : made->resolution.observed) {
    const auto [index, is_new] = indices.emplace(key.path(), made->key_requests.size());
    if (is_new) made->key_requests.push_back({&key, false});
    made->observed.push_back(index->second);
  }
  if (made->key_requests.empty() && needs_liveness_key_) made->key_requests.push_back({&liveness_key(), false});
  known = made;
  if (resolved_.size() > forget_at_) {
    std::erase_if(resolved_, [](const auto& one) { return one.second.expired(); });
    forget_at_ = std::max<std::size_t>(64, 2 * resolved_.size());
  }
  return made;
}

}  // namespace nswarden
