// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/text.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace nswarden;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

/// Inverse of printable(). It exists only if no two names have the same printable form.
std::string unprinted(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      bytes += text[at++];
      continue;
    }
    REQUIRE(text.substr(at, 2) == "\\x");
    bytes += static_cast<char>(std::stoi(text.substr(at + 2, 2), nullptr, 16));
    at += 4;
  }
  return bytes;
}

}  // namespace

TEST_CASE("what would break a line, a table or a label is printed as \\xNN") {
  struct Row {
    std::string bytes;
    std::string printed;
  };
  const std::vector<Row> rows{
      {"", ""},
      {"qrouter-7f3a", "qrouter-7f3a"},
      {"with space \"quotes\" $(id)", "with space \"quotes\" $(id)"},
      {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
      {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
      {"\0"s, "\\x00"},
      {"\x1b[31m\x7f", "\\x1b[31m\\x7f"},
      {"back\\slash", "back\\x5cslash"},
      {"\\x0a", "\\x5cx0a"},
      {"\xFF\xC3", "\\xff\\xc3"},
      {"\xC3(", "\\xc3("},
      {"\xC0\xAF", "\\xc0\\xaf"},                    // overlong
      {"\xE0\x80\xAF", "\\xe0\\x80\\xaf"},           // overlong
      {"\xED\xA0\x80", "\\xed\\xa0\\x80"},           // surrogate
      {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
      {"\xF0\x9F\x98", "\\xf0\\x9f\\x98"},           // cut off
      {"\xC2\x85\xC2\x9F", "\\xc2\\x85\\xc2\\x9f"},  // C1
      {"\xC2\xA0", "\xC2\xA0"},                      // first after C1
      {"\xE2\x80\xA8\xE2\x80\xA9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
      {"\xE2\x80\xAE evil", "\\xe2\\x80\\xae evil"},
      {"\xE2\x81\xA6\xE2\x81\xA9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
      {"\xE2\x80\x8F\xD8\x9C", "\\xe2\\x80\\x8f\\xd8\\x9c"},
      {"\xE2\x80\x90\xE2\x80\xAF", "\xE2\x80\x90\xE2\x80\xAF"},  // neighbours of the refused ones
  };
  for (const Row& row : rows) {
    CAPTURE(row.printed);
    CHECK(printable(row.bytes) == row.printed);
  }
}

TEST_CASE("what is printed is valid UTF-8, without control characters, and no two names print alike") {
  std::mt19937 random(20240229);  // NOLINT(bugprone-random-generator-seed): the same names in every run
  // A small alphabet makes escapes of escapes and broken sequences frequent.
  const std::string alphabet = "\\x0a5c\n\xC2\x85\xE2\x80\xA8\xAE\xF0\x9F\xFF"s + '\0';
  std::map<std::string, std::string> seen;
  for (int i = 0; i < 20000; ++i) {
    std::string name;
    const std::size_t length = random() % 9;
    for (std::size_t j = 0; j < length; ++j) {
      name += i % 2 == 0 ? alphabet[random() % alphabet.size()] : static_cast<char>(random() % 256);
    }
    const std::string printed = printable(name);
    const auto [first, is_new] = seen.emplace(printed, name);
    const bool is_clean = std::none_of(printed.begin(), printed.end(), is_control);
    if (!is_new && first->second != name) FAIL("two names print as " << printed);
    if (!is_valid_utf8(printed) || !is_clean || unprinted(printed) != name) FAIL("printed as " << printed);
  }
  CHECK(seen.size() > 10000);
}

TEST_CASE("the valid prefix ends before the first bad byte") {
  CHECK(valid_utf8_prefix("") == 0);
  CHECK(valid_utf8_prefix("plain") == 5);
  CHECK(valid_utf8_prefix("\xC3\xA9\xFFz") == 2);
  CHECK(valid_utf8_prefix("ab\xE2\x82") == 2);
  CHECK(is_valid_utf8("\xC3\xA9"));
  CHECK_FALSE(is_valid_utf8("\x80"));
}

TEST_CASE("a message repeats only the start of a long text") {
  CHECK(excerpt("short\n") == "short\\x0a");
  CHECK(excerpt(std::string(80, 'a')) == std::string(80, 'a'));
  CHECK(excerpt(std::string(1000, 'a')) == std::string(80, 'a') + "...");
}

TEST_CASE("a misspelt word finds the candidate that was meant, and a strange one finds none") {
  constexpr std::array<std::string_view, 5> fields{"name", "netns", "mode", "sysctls", "reconcile_interval"};
  struct Row {
    std::string_view word;
    std::string_view meant;  ///< empty if nothing should match
  };
  const std::vector<Row> rows{
      {"sysctl", "sysctls"},
      {"Sysctls", "sysctls"},
      {"sysclts", "sysctls"},
      {"moed", "mode"},
      {"netn", "netns"},
      {"reconcile-intervall", "reconcile_interval"},
      {"nam", "name"},
      {"name", "name"},
      {"labels", ""},
      {"x", ""},
      {"", ""},
      {"SYSCTLS", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.word);
    CHECK(nearest(row.word, fields).value_or("") == row.meant);
  }
  CHECK_FALSE(nearest(std::string(1U << 20U, 'n'), fields));
  CHECK_FALSE(nearest("name", {}));
}

TEST_CASE("a duration is one number and one unit") {
  struct Row {
    std::string_view text;
    std::optional<std::chrono::milliseconds> duration;
  };
  const std::vector<Row> rows{
      {"500ms", 500ms},
      {"10s", 10s},
      {"5m", 5min},
      {"1h", 1h},
      {"0s", 0ms},
      {"876000h", 876000h},
      {"", std::nullopt},
      {"10", std::nullopt},
      {"s", std::nullopt},
      {"1.5s", std::nullopt},
      {"-1s", std::nullopt},
      {"+1s", std::nullopt},
      {"1 s", std::nullopt},
      {" 1s", std::nullopt},
      {"1s ", std::nullopt},
      {"1h30m", std::nullopt},
      {"010s", std::nullopt},
      {"1S", std::nullopt},
      {"1d", std::nullopt},
      {"1us", std::nullopt},
      {"876001h", std::nullopt},
      {"99999999999999999999s", std::nullopt},
      {"0x1s", std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_duration(row.text) == row.duration);
  }
}

TEST_CASE("a duration is shown in the shortest form that reads back") {
  struct Row {
    std::chrono::milliseconds duration;
    std::string_view shown;
  };
  const std::vector<Row> rows{{0ms, "0s"},  {100ms, "100ms"}, {1500ms, "1500ms"}, {10s, "10s"},
                              {90s, "90s"}, {5min, "5m"},     {1h, "1h"},         {36h, "36h"}};
  for (const Row& row : rows) {
    CHECK(format_duration(row.duration) == row.shown);
    CHECK(parse_duration(row.shown) == row.duration);
  }
}

TEST_CASE("text is taken apart at a delimiter, piece by piece, until nothing is left") {
  std::string_view rest = "net/ipv4//x";
  CHECK(take_until(rest, '/') == "net");
  CHECK(take_until(rest, '/') == "ipv4");
  CHECK(take_until(rest, '/').empty());
  CHECK(take_until(rest, '/') == "x");
  CHECK(rest.empty());
  CHECK(take_until(rest, '/').empty());
}

TEST_CASE("a number is the whole text or none") {
  CHECK(parse_number<int>("-12") == -12);
  CHECK(parse_number<std::uint16_t>("65535") == 65535);
  CHECK(parse_number<unsigned>("ff", 16) == 255U);
  for (const std::string_view text : {"", " 1", "1 ", "+1", "1x", "-1", "65536"})
    CHECK_FALSE(parse_number<std::uint16_t>(text));
}
