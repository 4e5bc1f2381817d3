// SPDX-License-Identifier: Apache-2.0
// The input is a value, or two with a slash between. Values may be secrets, so a refusal must not depend on what they say.
#include <nswarden/core/value.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

/// Another text of the same shape: other letters and other digits where none of them means anything by itself.
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
  const std::string normal = core::normalised(text);
  fuzz::require(core::normalised(normal) == normal, "a normal value is its own normal value", text);
  fuzz::require(core::same_value(text, normal), "a value is the same as its normal value", text);
  fuzz::require(core::normalised(std::string(text) + "\n") == normal, "the kernel's newline is no difference", text);
  for (const std::string_view blank : {"  ", "\t", "\n", " \n", "\r"}) {
    fuzz::require(normal.find(blank) == std::string::npos, "words stand one space apart", text);
  }
  fuzz::require(normal.empty() || (normal.front() != ' ' && normal.back() != ' '), "no space around a normal value", text);

  const auto problem = core::value_problem(text);
  fuzz::require(problem == core::value_problem(disguised(text)), "a refusal says nothing about the value", text);
  if (problem) {
    fuzz::require(fuzz::is_one_line(*problem), "a refusal is one line", *problem);
    return;
  }
  fuzz::require(!normal.empty(), "nothing empty is accepted", text);
  fuzz::require(!core::value_problem(normal), "the normal value of what is accepted is accepted", text);
  fuzz::require(normal.find('\0') == std::string::npos && normal.size() <= 4096, "what is accepted can be written", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  std::string_view b = text;
  const std::string_view a = fuzz::next_part(b, '/');
  check_one(text);
  check_one(a);
  check_one(b);
  const bool same = core::same_value(a, b);
  fuzz::require(same == core::same_value(b, a), "being the same goes both ways", text);
  fuzz::require(same == (core::normalised(a) == core::normalised(b)), "same values are those of one normal value", text);
  return 0;
}
