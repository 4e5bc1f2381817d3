// SPDX-License-Identifier: Apache-2.0
#include "policy/want.hpp"

#include <vector>

#include "catch.hpp"

using namespace nswarden;
using Kind = Want::Kind;

namespace {

constexpr ValueSense numbers{ValueForm::numbers};
constexpr ValueSense words{ValueForm::words};
constexpr ValueSense ports{ValueForm::ports};
constexpr ValueSense names{ValueForm::names};
constexpr ValueSense ticked{ValueForm::milliseconds, std::chrono::milliseconds(4)};

Want condition(Kind kind, std::vector<std::string> operands, const ValueSense& sense,
               std::optional<std::string> set = std::nullopt) {
  auto made = Want::condition(kind, std::move(operands), std::move(set), sense);
  const auto* problem = std::get_if<Problem>(&made);
  INFO((problem == nullptr ? "" : problem->message));
  REQUIRE(problem == nullptr);
  return std::get<Want>(std::move(made));
}

std::string refusal(Kind kind, std::vector<std::string> operands, const ValueSense& sense,
                    std::optional<std::string> set = std::nullopt) {
  auto made = Want::condition(kind, std::move(operands), std::move(set), sense);
  const auto* problem = std::get_if<Problem>(&made);
  return problem == nullptr ? "" : problem->message;
}

}  // namespace

TEST_CASE("a condition holds for what it says and for nothing else") {
  struct Row {
    Kind kind;
    std::vector<std::string> operands;
    ValueSense sense;
    std::string have;
    bool holds;
  };
  const std::vector<Row> rows{
      {Kind::equal, {"1"}, numbers, "1\n", true},
      {Kind::equal, {"1"}, numbers, "2\n", false},
      {Kind::equal, {"8080,8081"}, ports, "8080-8081\n", true},
      {Kind::equal, {"1"}, ticked, "4\n", true},
      {Kind::min, {"4096"}, numbers, "4096\n", true},
      {Kind::min, {"4096"}, numbers, "4095\n", false},
      {Kind::min, {"4096"}, numbers, "10000\n", true},
      {Kind::min, {"-1"}, numbers, "0\n", true},
      {Kind::min, {"0"}, numbers, "-1\n", false},
      {Kind::min, {"-1"}, numbers, "-2\n", false},
      {Kind::min, {"9223372036854775808"}, numbers, "18446744073709551615\n", true},
      {Kind::min, {"9223372036854775808"}, numbers, "9223372036854775807\n", false},
      {Kind::min, {"-9223372036854775808"}, numbers, "-9223372036854775807\n", true},
      {Kind::min, {"18446744073709551615"}, numbers, "-1\n", false},
      {Kind::min, {"1"}, words, "5\n", true},  // an unknown key
      {Kind::min, {"1"}, words, "five\n", false},
      {Kind::min, {"1"}, words, "1 x\n", false},
      {Kind::min, {"1"}, words, "\n", false},
      {Kind::min, {"4096 87380 100"}, numbers, "4096\t87380\t100\n", true},
      {Kind::min, {"4096 87380 100"}, numbers, "4096\t87379\t100\n", false},
      {Kind::min, {"4096 87380 100"}, numbers, "4096\n", false},
      {Kind::min, {"4096 87380"}, numbers, "4096\t87380\t100\n", false},
      {Kind::min, {"100"}, numbers, "4096\t87380\t100\n", true},
      {Kind::min, {"101"}, numbers, "4096\t87380\t100\n", false},
      {Kind::min, {"5"}, ticked, "8\n", true},
      {Kind::min, {"5"}, ticked, "4\n", false},
      {Kind::max, {"10"}, numbers, "10\n", true},
      {Kind::max, {"10"}, numbers, "11\n", false},
      {Kind::max, {"10"}, numbers, "-11\n", true},
      {Kind::max, {"9 20"}, numbers, "9\t20\n", true},
      {Kind::max, {"9 20"}, numbers, "10\t20\n", false},
      {Kind::max, {"5"}, ticked, "8\n", true},  // the kernel rounds 5 to this value
      {Kind::max, {"5"}, ticked, "12\n", false},
      {Kind::between, {"5", "7"}, numbers, "5\n", true},
      {Kind::between, {"5", "7"}, numbers, "7\n", true},
      {Kind::between, {"5", "7"}, numbers, "4\n", false},
      {Kind::between, {"5", "7"}, numbers, "8\n", false},
      {Kind::between, {"5", "7 9"}, numbers, "7\t9\n", true},
      {Kind::between, {"5", "7 9"}, numbers, "8\t9\n", false},
      {Kind::between, {"5", "7 9"}, numbers, "7\t4\n", false},
      {Kind::one_of, {"0", "2"}, numbers, "2\n", true},
      {Kind::one_of, {"0", "2"}, numbers, "1\n", false},
      {Kind::one_of, {"cubic bbr", "reno"}, names, "bbr cubic\n", true},
      {Kind::unequal, {"0"}, numbers, "0\n", false},
      {Kind::unequal, {"0"}, numbers, "1\n", true},
      {Kind::unequal, {"80,81"}, ports, "80-81\n", false},
      {Kind::regex, {"cubic|bbr"}, words, "bbr\n", true},
      {Kind::regex, {"cubic|bbr"}, words, "bbr2\n", false},
      {Kind::regex, {"cubic|bbr"}, words, "xbbr\n", false},
      {Kind::regex, {"bbr( .*)?"}, names, "reno bbr\n", true},  // matches the canonical, sorted value
      {Kind::regex, {"4096 .*"}, numbers, "4096\t87380\t100\n", true},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.kind), row.operands, row.have);
    CHECK(condition(row.kind, row.operands, row.sense).holds(row.have, row.sense) == row.holds);
  }
}

TEST_CASE("a condition that cannot be meant is refused with its reason") {
  struct Row {
    Kind kind;
    std::vector<std::string> operands;
    ValueSense sense;
    std::optional<std::string> set;
    std::string reason;  ///< substring of the reason
  };
  const std::vector<Row> rows{
      {Kind::min, {"x"}, numbers, {}, "number"},
      {Kind::min, {"1 x"}, words, {}, "number"},
      {Kind::min, {""}, numbers, {}, "number"},
      {Kind::min, {"18446744073709551616"}, numbers, {}, "number"},
      {Kind::max, {"80"}, ports, {}, "bounds require numbers"},
      {Kind::max, {"::"}, {ValueForm::ipv6}, {}, "bounds require numbers"},
      {Kind::between, {"3", "2"}, numbers, {}, "lower bound"},
      {Kind::between, {"1 5", "2 4"}, numbers, {}, "lower bound"},
      {Kind::between, {"5", "9 4"}, numbers, {}, "lower bound"},
      {Kind::between, {"1 2", "1 2 3"}, numbers, {}, "differ in their count"},
      {Kind::between, {"1"}, numbers, {}, "two bounds"},
      {Kind::between, {"1", "2", "3"}, numbers, {}, "two bounds"},
      {Kind::min, {}, numbers, {}, "one value"},
      {Kind::unequal, {"1", "2"}, numbers, {}, "one value"},
      {Kind::one_of, {}, numbers, {}, "at least one"},
      {Kind::regex, {"("}, words, {}, "RE2"},
      {Kind::regex, {""}, words, {}, "pattern is empty"},
      {Kind::min, {"5"}, numbers, "4", "set:"},
      {Kind::max, {"5"}, numbers, "6", "set:"},
      {Kind::between, {"5", "6"}, numbers, "7", "set:"},
      {Kind::one_of, {"1", "2"}, numbers, "3", "set:"},
      {Kind::unequal, {"1"}, numbers, "1", "set:"},
      {Kind::unequal, {"80,81"}, ports, "80-81", "set:"},
      {Kind::regex, {"a+"}, words, "b", "set:"},
      {Kind::min, {"5"}, words, "x", "set:"},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.kind), row.operands);
    CHECK(refusal(row.kind, row.operands, row.sense, row.set).find(row.reason) != std::string::npos);
  }
}

TEST_CASE("what enforcing writes is the value, or what the condition was given for it, or nothing") {
  CHECK(Want::equal(" 4096\t87380 1 ").set() == "4096 87380 1");
  CHECK(Want::equal("1").kind() == Kind::equal);
  CHECK(Want::equal("8080,8081").holds("8080-8081\n", ports));
  CHECK(condition(Kind::min, {"5"}, numbers, "9").set() == "9");
  CHECK_FALSE(condition(Kind::min, {"5"}, numbers).set());
  CHECK(condition(Kind::max, {"5"}, ticked, "5").set() == "5");
  CHECK(condition(Kind::equal, {"5"}, numbers) == Want::equal("5"));
  CHECK_FALSE(condition(Kind::min, {"5"}, numbers) == condition(Kind::max, {"5"}, numbers));
  CHECK_FALSE(condition(Kind::min, {"5"}, numbers, "5") == condition(Kind::min, {"5"}, numbers));
}

TEST_CASE("a condition says in a few words what it wants") {
  CHECK(Want::equal("1").text() == "1");
  CHECK(condition(Kind::min, {"4096"}, numbers).text() == ">= 4096");
  CHECK(condition(Kind::max, {"4096"}, numbers).text() == "<= 4096");
  CHECK(condition(Kind::between, {"4096", "8192"}, numbers).text() == "4096..8192");
  CHECK(condition(Kind::one_of, {"0", "2"}, numbers).text() == "one of 0, 2");
  CHECK(condition(Kind::one_of, {"0", "0"}, numbers).text() == "one of 0, 0");
  CHECK(condition(Kind::unequal, {"0"}, numbers).text() == "not 0");
  CHECK(condition(Kind::regex, {"^cubic"}, words).text() == "matches ^cubic");
}
