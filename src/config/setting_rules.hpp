// SPDX-License-Identifier: Apache-2.0
// What is refused of keys and values, wherever a policy has them from: YAML or a file of sysctl.d(5). No message repeats a
// value: it may be a secret. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// What stands around words in files and commands of sysctl(8).
inline constexpr std::string_view blanks = " \t";

/// `text` without blanks at its ends.
std::string_view trimmed(std::string_view text);

/// A key as it is written: `-net.ipv4.ip_forward`.
struct WrittenKey {
  KeyPattern key;
  bool has_minus = false;
};
/// A refusal names the key, and has no place yet.
std::variant<WrittenKey, Problem> read_key(std::string_view text);

/// Why the policy can want nothing of the key (kernel facts 29, 30), ready to print.
std::optional<std::string> key_refusal(const KeyPattern& key, const PolicyConfig& policy);

/// Why a value of it cannot be enforced in that mode, ready to print.
std::optional<std::string> enforcing_refusal(const KeyPattern& key, Mode mode);

/// Why its value cannot be exported, ready to print.
std::optional<std::string> observation_refusal(const KeyPattern& key);

/// How messages call it.
std::string shown(const KeyPattern& key);

/// What comparing its values takes; the kernel's tick is not known here.
ValueSense sense_of(const KeyPattern& key);

/// Why the text cannot be meant as a value of the key (kernel fact 28), ready to print.
std::optional<std::string> value_refusal(const KeyPattern& key, std::string_view text);

/// The same of a bound: a single number bounds each of the value's.
std::optional<std::string> bound_refusal(const KeyPattern& key, std::string_view text);

}  // namespace nswarden
