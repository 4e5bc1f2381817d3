// SPDX-License-Identifier: Apache-2.0
#include "config/setting_rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/policy/key_traits.hpp>

namespace nswarden {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

std::string display_name(const KeyPattern& key) { return printable(key.name()); }

std::variant<WrittenKey, Problem> read_key(std::string_view text) {
  const bool has_minus = text.starts_with('-');
  auto parsed = KeyPattern::parse(text.substr(has_minus ? 1 : 0));
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    return Problem{{}, fmt::format("sysctl \"{}\": {}", excerpt(text), problem->message)};
  }
  return WrittenKey{std::get<KeyPattern>(std::move(parsed)), has_minus};
}

std::optional<std::string> key_refusal(const KeyPattern& key, const PolicyConfig& policy) {
  const KeyTraits traits = traits_of(key.path());
  if (traits.write_only) return fmt::format("{} is write-only, so its value cannot be enforced; remove it", display_name(key));
  if (policy.allows_host_keys()) return std::nullopt;
  if (traits.host_only) {
    return fmt::format(
        "{} exists only in the host's own netns; move it to a policy with host: true and no netns:, or with allow_global: true "
        "if other netns have it too",
        display_name(key));
  }
  if (traits.global) {
    return fmt::format(
        "{} has one value for the whole host, regardless of the netns; to set it anyway, write allow_global: true in the "
        "policy",
        display_name(key));
  }
  if (traits.read_only_in_child) {
    return fmt::format(
        "{} is writable only in the host's own netns; move it to a policy with host: true and no netns:, "
        "or with allow_global: true to read it elsewhere",
        display_name(key));
  }
  return std::nullopt;
}

std::optional<std::string> enforcing_refusal(const KeyPattern& key, Mode mode) {
  if (mode == Mode::audit || !traits_of(key.path()).read_only) return std::nullopt;
  return fmt::format("{} is read-only; write {{value: V, mode: audit}}, or mode: audit in the policy", display_name(key));
}

std::optional<std::string> observation_refusal(const KeyPattern& key) {
  const KeyTraits traits = traits_of(key.path());
  if (traits.write_only) return fmt::format("{} is write-only, so it cannot be observed; remove it", display_name(key));
  if (traits.secret) return fmt::format("{} is secret, so it is not exported; remove it", display_name(key));
  return std::nullopt;
}

ValueSense sense_of(const KeyPattern& key) { return {traits_of(key.path()).form, {}}; }

std::optional<std::string> value_refusal(const KeyPattern& key, std::string_view text) {
  return value_problem(text, traits_of(key.path()));
}

std::optional<std::string> bound_refusal(const KeyPattern& key, std::string_view text) {
  return bound_problem(text, traits_of(key.path()));
}

}  // namespace nswarden
