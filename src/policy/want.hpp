// SPDX-License-Identifier: Apache-2.0
// The desired value of a setting: an exact value, or a condition with the value that enforcement writes when the condition
// fails. Immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/value.hpp>
#include "policy/pattern.hpp"

namespace nswarden {

class Want {
 public:
  enum class Kind : std::uint8_t { equal, min, max, between, one_of, unequal, regex };

  /// An exact value, which is also the value that enforcement writes.
  static Want equal(std::string_view value);
  /// A condition. Operands are normalised values: one; two for `between`; at least one for `one_of`; the pattern for `regex`
  /// (matched against the whole value in canonical form). Without `set` the setting can only be audited. Refuses non-numeric
  /// operands of numeric comparisons, bounds in reverse order, and a `set` that fails the condition; the problem has no
  /// position.
  static std::variant<Want, Problem> condition(Kind kind, std::vector<std::string> operands, std::optional<std::string> set,
                                               const ValueSense& sense);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::span<const std::string> operands() const { return operands_; }
  /// The value that enforcement writes; empty: audit only.
  [[nodiscard]] const std::optional<std::string>& set() const { return set_; }
  /// Whether a value printed by the kernel complies. Numbers are compared one by one, and a single bound applies to each. A
  /// value that is not a number is outside all bounds. Bounds are rounded like the value.
  [[nodiscard]] bool holds(std::string_view have, const ValueSense& sense) const;
  /// For display: "1", ">= 4096", "4096..8192", "one of 0, 2", "not 0", "matches ^cubic".
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Want& a, const Want& b) {
    return a.kind_ == b.kind_ && a.operands_ == b.operands_ && a.set_ == b.set_;
  }

 private:
  Want(Kind kind, std::vector<std::string> operands, std::optional<std::string> set)
      : kind_(kind), operands_(std::move(operands)), set_(std::move(set)) {}

  Kind kind_;
  std::vector<std::string> operands_;
  std::optional<std::string> set_;
  std::optional<Pattern> pattern_;
};

}  // namespace nswarden
