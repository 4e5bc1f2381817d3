// SPDX-License-Identifier: Apache-2.0
// The input is a value, or two separated by a slash, of a form chosen by its length: one a policy's wanted value, one the
// kernel's output. Values may be secrets, so a rejection must not depend on their content.
#include <array>

#include <nswarden/policy/key_traits.hpp>
#include "policy/want.hpp"

#include "oracle.hpp"

using namespace nswarden;

namespace {

/// Another text of the same shape: replaces letters and digits that have no meaning of their own.
std::string disguised(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= '1' && c <= '9') {
      c = c == '9' ? '1' : static_cast<char>(c + 1);
    } else if (c >= 'a' && c <= 'w') {
      c = c == 'w' ? 'a' : static_cast<char>(c + 1);
    }
  }
  return out;
}

void check_one(std::string_view text) {
  const std::string normal = normalised(text);
  fuzz::require(normalised(normal) == normal, "a normal value is its own normal value", text);
  fuzz::require(same_value(text, normal), "a value is the same as its normal value", text);
  fuzz::require(normalised(std::string(text) + "\n") == normal, "the kernel's newline is no difference", text);
  for (const std::string_view blank : {"  ", "\t", "\n", " \n", "\r"}) {
    fuzz::require(normal.find(blank) == std::string::npos, "words stand one space apart", text);
  }
  fuzz::require(normal.empty() || (normal.front() != ' ' && normal.back() != ' '), "no space around a normal value", text);

  const auto problem = value_problem(text);
  fuzz::require(problem == value_problem(disguised(text)), "a refusal says nothing about the value", text);
  if (problem) {
    fuzz::require(fuzz::is_one_line(*problem), "a refusal is one line", *problem);
    return;
  }
  fuzz::require(!normal.empty(), "nothing empty is accepted", text);
  fuzz::require(!value_problem(normal), "the normal value of what is accepted is accepted", text);
  fuzz::require(normal.find('\0') == std::string::npos && normal.size() <= 4096, "what is accepted can be written", text);
}

constexpr std::array forms{ValueForm::words,       ValueForm::numbers, ValueForm::milliseconds,
                           ValueForm::clock_ticks, ValueForm::ports,   ValueForm::ipv6,
                           ValueForm::mask,        ValueForm::hex,     ValueForm::names};

constexpr std::array<std::uint8_t, 3> counts{0, 1, 3};
/// 1 s / HZ; 0 means unknown, -1 and an hour are invalid.
constexpr std::array<std::int64_t, 9> ticks{0,       1'000'000, 4'000'000,  10'000'000,       3'333'333,
                                            976'563, -1,        40'000'000, 3'600'000'000'000};

void check_form(std::string_view a, std::string_view b, const ValueSense& sense) {
  const std::string one = canonical(a, sense);
  fuzz::require(canonical(one, sense) == one, "a canonical value is its own canonical value", a);
  fuzz::require(normalised(one) == one, "a canonical value is a normal one", a);
  fuzz::require(same_value(a, one, sense), "a value means the same as its canonical value", a);
  const bool same = same_value(a, b, sense);
  fuzz::require(same == same_value(b, a, sense), "meaning the same goes both ways", a);
  fuzz::require(same == (one == canonical(b, sense)), "same values are those of one canonical value", a);
  fuzz::require(same || !same_value(a, b), "equal texts mean the same", a);
}

void check_traits(std::string_view text, ValueForm form, std::uint8_t numbers) {
  const KeyTraits traits{.form = form, .numbers = numbers};
  const auto problem = value_problem(text, traits);
  const auto bound = bound_problem(text, traits);
  if (bound) fuzz::require(fuzz::is_one_line(*bound), "a refusal is one line", *bound);
  fuzz::require(!bound || problem, "what is no bound is no value", text);
  if (problem) {
    fuzz::require(fuzz::is_one_line(*problem), "a refusal is one line", *problem);
    return;
  }
  fuzz::require(text.find('\0') == std::string::npos && text.find('\n') == std::string::npos, "what is accepted can be written",
                text);
  const std::string one = canonical(text, {form, {}});
  fuzz::require(!value_problem(one, traits), "the canonical value of what is accepted is accepted", text);
}

void check_condition(Want::Kind kind, std::string_view a, std::string_view b, const ValueSense& sense) {
  const auto made = Want::condition(kind, {std::string(a)}, std::string(b), sense);
  const Want* want = std::get_if<Want>(&made);
  if (want == nullptr) {
    const std::string& reason = std::get<Problem>(made).message;
    fuzz::require(fuzz::is_one_line(reason), "a refusal is one line", reason);
    return;
  }
  fuzz::require(want->holds(b, sense), "what is written is what is wanted", b);
  fuzz::require(want->text().size() >= a.size(), "a condition says what it wants", a);
}

void check_conditions(std::string_view a, std::string_view b, const ValueSense& sense) {
  const Want equal = Want::equal(std::string(a));
  fuzz::require(equal.holds(b, sense) == same_value(a, b, sense), "a value is wanted by its meaning", a);
  for (const auto kind : {Want::Kind::min, Want::Kind::max, Want::Kind::one_of, Want::Kind::unequal}) {
    check_condition(kind, a, b, sense);
  }
  const auto between = Want::condition(Want::Kind::between, {std::string(a), std::string(b)}, std::nullopt, sense);
  if (const Want* want = std::get_if<Want>(&between)) {
    const bool is_one_number = a.find_first_of(" \t\n\v\f\r") == std::string_view::npos;
    fuzz::require(!is_one_number || want->holds(a, sense) || normalised(b).find(' ') != std::string::npos,
                  "a bound is within the bounds", a);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  std::string_view b = text;
  const std::string_view a = fuzz::next_part(b, '/');
  check_one(text);
  check_one(a);
  check_one(b);
  const bool same = same_value(a, b);
  fuzz::require(same == same_value(b, a), "being the same goes both ways", text);
  fuzz::require(same == (normalised(a) == normalised(b)), "same values are those of one normal value", text);
  // Trying all forms is too slow per input: any finding for another form is retried with one byte more.
  const ValueForm form = forms[text.size() % forms.size()];
  check_form(a, b, {form, {}});
  check_form(a, b, {form, std::chrono::nanoseconds(ticks[text.size() / forms.size() % ticks.size()])});
  for (const std::uint8_t numbers : counts) check_traits(a, form, numbers);
  check_conditions(a, b, {form, {}});
  check_conditions(a, b, {ValueForm::milliseconds, std::chrono::milliseconds(4)});
  check_condition(Want::Kind::regex, a, b, {ValueForm::names, {}});
  return 0;
}
