// SPDX-License-Identifier: Apache-2.0
#include "policy/want.hpp"

#include <algorithm>
#include <utility>

#include "policy/value_forms.hpp"

namespace nswarden {
namespace {

using Numbers = std::vector<Number>;

bool has_numbers(ValueForm form) {
  return form == ValueForm::words || form == ValueForm::numbers || form == ValueForm::milliseconds ||
         form == ValueForm::clock_ticks;
}

/// Empty optional when a word is not a number or the text has no words.
std::optional<Numbers> numbers_of(std::string_view text, const ValueSense& sense) {
  const std::string value = canonical(text, sense);
  std::string_view rest = value;
  Numbers numbers;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const auto number = Number::parse(word);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers.empty() ? std::nullopt : std::optional(std::move(numbers));
}

/// Whether each number is at least the number at its position in `lower`; a single number on either side applies to all of the
/// other.
bool all_at_least(const Numbers& numbers, const Numbers& lower) {
  const std::size_t count = std::max(numbers.size(), lower.size());
  if ((numbers.size() != count && numbers.size() != 1) || (lower.size() != count && lower.size() != 1)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (numbers[numbers.size() == 1 ? 0 : i] < lower[lower.size() == 1 ? 0 : i]) return false;
  }
  return true;
}

/// Bounds are rounded like the value, so a value satisfies a bound that the kernel cannot represent exactly.
bool holds_bounds(std::string_view have, std::span<const std::string> lower, std::span<const std::string> upper,
                  const ValueSense& sense) {
  const auto numbers = numbers_of(have, sense);
  if (!numbers) return false;
  const auto bound_of = [&](const std::string& text) {
    auto bound = numbers_of(text, sense);
    const bool fits = bound && (bound->size() == 1 || bound->size() == numbers->size());
    return fits ? std::move(bound) : std::nullopt;
  };
  const auto is_above = [&](const std::string& text) {
    const auto bound = bound_of(text);
    return bound && all_at_least(*numbers, *bound);
  };
  const auto is_below = [&](const std::string& text) {
    const auto bound = bound_of(text);
    return bound && all_at_least(*bound, *numbers);
  };
  return std::all_of(lower.begin(), lower.end(), is_above) && std::all_of(upper.begin(), upper.end(), is_below);
}

bool compares_numbers(Want::Kind kind) {
  return kind == Want::Kind::min || kind == Want::Kind::max || kind == Want::Kind::between;
}

std::optional<std::string> count_problem(Want::Kind kind, std::size_t count) {
  if (kind == Want::Kind::between) {
    return count == 2 ? std::nullopt : std::optional<std::string>("expected two bounds, the lower one first");
  }
  if (kind == Want::Kind::one_of) return count > 0 ? std::nullopt : std::optional<std::string>("expected at least one value");
  return count == 1 ? std::nullopt : std::optional<std::string>("expected one value");
}

std::optional<std::string> bounds_problem(std::span<const std::string> operands, const ValueSense& sense) {
  if (!has_numbers(sense.form)) return "bounds require numbers, and the values of this key are not numbers";
  std::vector<Numbers> bounds;
  for (const std::string& operand : operands) {
    auto bound = numbers_of(operand, sense);
    if (!bound) return "invalid bound, expected one number, or as many as the value has";
    bounds.push_back(*std::move(bound));
  }
  if (bounds.size() != 2) return std::nullopt;
  const bool same_count = bounds[0].size() == bounds[1].size() || bounds[0].size() == 1 || bounds[1].size() == 1;
  if (!same_count) return "the two bounds differ in their count of numbers";
  if (!all_at_least(bounds[1], bounds[0])) return "the lower bound is above the upper one; write the lower one first";
  return std::nullopt;
}

}  // namespace

Want Want::equal(std::string_view value) {
  std::string normal = normalised(value);
  std::vector<std::string> operands{normal};
  return {Kind::equal, std::move(operands), std::move(normal)};
}

// Messages never repeat a value: it may be a secret.
std::variant<Want, Problem> Want::condition(Kind kind, std::vector<std::string> operands, std::optional<std::string> set,
                                            const ValueSense& sense) {
  if (auto problem = count_problem(kind, operands.size())) return Problem{{}, *std::move(problem)};
  if (compares_numbers(kind)) {
    if (auto problem = bounds_problem(operands, sense)) return Problem{{}, *std::move(problem)};
  }
  if (kind == Kind::equal && !set) set = operands.front();
  Want want(kind, std::move(operands), std::move(set));
  if (kind == Kind::regex) {
    auto pattern = Pattern::compile(want.operands_.front());
    if (auto* problem = std::get_if<Problem>(&pattern)) return std::move(*problem);
    want.pattern_ = std::get<Pattern>(std::move(pattern));
  }
  if (want.set_ && !want.holds(*want.set_, sense)) {
    return Problem{{}, "the value of set: does not meet the condition, so the setting would stay drifted; change one of them"};
  }
  return want;
}

bool Want::holds(std::string_view have, const ValueSense& sense) const {
  const std::span<const std::string> operands(operands_);
  const auto is_same = [&](const std::string& operand) { return same_value(have, operand, sense); };
  switch (kind_) {
    case Kind::equal: return is_same(operands.front());
    case Kind::min: return holds_bounds(have, operands, {}, sense);
    case Kind::max: return holds_bounds(have, {}, operands, sense);
    case Kind::between: return holds_bounds(have, operands.first(1), operands.last(1), sense);
    case Kind::one_of: return std::any_of(operands.begin(), operands.end(), is_same);
    case Kind::unequal: return !is_same(operands.front());
    case Kind::regex: return pattern_->matches_whole(canonical(have, sense));
  }
  return false;
}

std::string Want::text() const {
  const std::string& first = operands_.front();
  switch (kind_) {
    case Kind::equal: return first;
    case Kind::min: return ">= " + first;
    case Kind::max: return "<= " + first;
    case Kind::between: return first + ".." + operands_.back();
    case Kind::one_of: break;
    case Kind::unequal: return "not " + first;
    case Kind::regex: return "matches " + first;
  }
  std::string all = "one of ";
  for (const std::string& operand : operands_) all += (&operand == &first ? "" : ", ") + operand;
  return all;
}

}  // namespace nswarden
