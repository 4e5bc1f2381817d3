// SPDX-License-Identifier: Apache-2.0
// Rules for keys and values of policies, shared by YAML and sysctl.d(5) files. Messages never repeat a value: it may be a
// secret. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// White space around words in files and commands of sysctl(8).
inline constexpr std::string_view blanks = " \t";

/// `text` without leading and trailing blanks.
std::string_view trimmed(std::string_view text);

/// A key as written: `-net.ipv4.ip_forward`.
struct WrittenKey {
  KeyPattern key;
  bool has_minus = false;
};
/// The problem names the key, and has no position.
std::variant<WrittenKey, Problem> read_key(std::string_view text);

/// Why the policy cannot set the key (kernel facts 29, 30), ready to print.
std::optional<std::string> key_refusal(const KeyPattern& key, const PolicyConfig& policy);

/// Why the key cannot be enforced in that mode, ready to print.
std::optional<std::string> enforcing_refusal(const KeyPattern& key, Mode mode);

/// Why the value of the key cannot be exported, ready to print.
std::optional<std::string> observation_refusal(const KeyPattern& key);

/// The key's name in messages.
std::string display_name(const KeyPattern& key);

/// Context for comparing the key's values, without the kernel's tick.
ValueSense sense_of(const KeyPattern& key);

/// Why the text is not a valid value of the key (kernel fact 28), ready to print.
std::optional<std::string> value_refusal(const KeyPattern& key, std::string_view text);

/// Like value_refusal(), for a bound: a single number applies to all numbers of the value.
std::optional<std::string> bound_refusal(const KeyPattern& key, std::string_view text);

}  // namespace nswarden
