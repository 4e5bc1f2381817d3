// SPDX-License-Identifier: Apache-2.0
// The wish of a policy for a value: to be one, or a condition, with what enforcing writes where it does not hold. Immutable, any
// thread.
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

  /// The value itself; it is also what enforcing writes.
  static Want equal(std::string_view value);
  /// A condition. Operands are normalised values: one; two of `between`; at least one of `one_of`; the pattern of `regex` (of the
  /// whole value, in its canonical form). Without `set` there is nothing to write: it can only be audited. Refused, without a
  /// place: operands other than numbers where numbers are compared, bounds in the wrong order, a `set` that the condition refuses.
  static std::variant<Want, Problem> condition(Kind kind, std::vector<std::string> operands, std::optional<std::string> set,
                                               const ValueSense& sense);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::span<const std::string> operands() const { return operands_; }
  /// What enforcing writes; none: it can only be audited.
  [[nodiscard]] const std::optional<std::string>& set() const { return set_; }
  /// Whether what the kernel printed is as wanted. Numbers are compared one by one, a single bound with each, and what is no
  /// number is within no bounds; bounds are rounded like the value.
  [[nodiscard]] bool holds(std::string_view have, const ValueSense& sense) const;
  /// For people: "1", ">= 4096", "4096..8192", "one of 0, 2", "not 0", "matches ^cubic".
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
