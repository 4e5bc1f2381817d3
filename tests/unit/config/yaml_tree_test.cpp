// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/yaml_tree.hpp>

#include <vector>

#include <fmt/format.h>

#include "catch.hpp"

using namespace nswarden;
using namespace std::string_literals;
using Kind = YamlNode::Kind;

namespace {

/// `LINE:COL message` of each problem, separated by newlines.
std::string problems_of(std::string_view text) {
  std::string all;
  for (const Problem& problem : parse_yaml(text).problems) {
    all += fmt::format("{}{}:{} {}", all.empty() ? "" : "\n", problem.position.line, problem.position.column, problem.message);
  }
  return all;
}

YamlNode tree_of(std::string_view text) {
  YamlTree tree = parse_yaml(text);
  INFO(problems_of(text));
  REQUIRE(tree.problems.empty());
  REQUIRE(tree.root);
  return *std::move(tree.root);
}

std::string repeated(std::string_view unit, std::size_t times) {
  std::string text;
  text.reserve(unit.size() * times + 1);
  for (std::size_t i = 0; i < times; ++i) text += unit;
  return text;
}

}  // namespace

TEST_CASE("a tree keeps every scalar as it is written, with its place") {
  const YamlNode root = tree_of("# comment\na: 010\nb:\n  - \"yes\"\n  - ~\n  - yes\nc:\nd: |\n  two\n  lines\n");
  REQUIRE(root.kind == Kind::mapping);
  REQUIRE(root.children.size() == 4);
  const YamlNode& a = root.children[0];
  CHECK(a.key == "a");
  CHECK(a.text == "010");
  CHECK_FALSE(a.quoted);
  CHECK(a.key_position.line == 2);
  CHECK(a.key_position.column == 1);
  CHECK(a.position.line == 2);
  CHECK(a.position.column == 4);
  const YamlNode& b = root.children[1];
  REQUIRE(b.kind == Kind::list);
  REQUIRE(b.children.size() == 3);
  CHECK(b.children[0].quoted);
  CHECK(b.children[1].kind == Kind::null);
  CHECK(b.children[2].text == "yes");
  CHECK_FALSE(b.children[2].quoted);
  const YamlNode& c = root.children[2];
  CHECK(c.kind == Kind::null);
  CHECK(c.position.line == 7);
  CHECK(root.children[3].text == "two\nlines\n");
  CHECK(root.children[3].quoted);
}

TEST_CASE("what a configuration does not need of YAML is a problem with its place") {
  struct Row {
    std::string text;
    std::string_view expected;  ///< prefixes of the problems
  };
  const std::vector<Row> rows{
      {"a: &x 1\nb: 2\n", "1:4 anchors"},
      {"a: &x\n", "1:4 anchors"},
      {"&x a: 1\n", "1:1 anchors"},
      {"a: &x 1\nb: *x\n", "1:4 anchors (&) are not supported; repeat the value each time\n2:4 aliases"},
      {"a: &x [*x]\n", "1:4 anchors (&) are not supported; repeat the value each time\n1:8 aliases"},
      {"a: *nowhere\n", "1:4 invalid YAML: "},
      {"a: !!str 1\n", "1:4 tags"},
      {"a: ! 1\n", "1:4 tags"},
      {"a: !x\n", "1:4 tags"},
      {"!x a: 1\n", "1:1 tags"},
      {"a: !<tag:x> {b: c}\n", "1:4 tags"},
      {"a: 1\nb: 2\na: 3\n", "3:1 duplicate \"a\", first in line 1; remove one"},
      {"a: 1\n'a': 3\n", "2:1 duplicate \"a\""},
      {"x: {a: 1, a: 2}\n", "1:11 duplicate \"a\""},
      {"<<: {a: 1}\nb: 2\n", "1:1 merge keys"},
      {"? [a]\n: b\n", "1:3 invalid key, expected a word"},
      {"? {a: b}\n: c\n", "1:3 invalid key, expected a word"},
      {"~: b\n", "1:1 invalid key, expected a word"},
      {": b\n", "1:1 invalid key, expected a word"},
      {"a: 1\n---\nb: 2\n", "2:1 a second document"},
      {"a: 1\n---\n", "2:1 a second document"},
      {"a: 1\n...\nb: 1\n", "3:1 a second document"},
      {"[a]\nb: c\n", "2:1 a second document"},
      {"%YAML 1.2\n---\na: 1\n", "1:1 YAML directives"},
      {"%\n", "1:1 YAML directives"},
      {"# a\n%a: 1\nb: 2\n", "2:1 YAML directives"},
      {"a: [1\n", "2:1 invalid YAML: "},
      {"a: b: c\n", "1:5 invalid YAML: "},
      {"a: 'b' c\n", "1:8 invalid YAML: "},
      {"a: \"\\q\"\n", "1:7 invalid YAML: "},
      {"a: 1\n}\n", "2:1 invalid YAML: "},
      {"\ta: 1\n", "1:3 invalid YAML: "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(problems_of(row.text).substr(0, row.expected.size()) == row.expected);
  }
}

TEST_CASE("a text that is no text, or half of one, is not parsed at all") {
  struct Row {
    std::string text;
    std::string_view expected;
  };
  const std::vector<Row> rows{
      {"", "1:1 the file is empty; it may be truncated"},
      {"# only this\n\n", "1:1 the file contains only comments"},
      {"a: 1", "1:5 the file does not end with a newline; it may be truncated"},
      {"a: 1\nb: \"\xC3\xA9\xFF\"\n", "2:7 invalid UTF-8 byte"},
      {"a: 1\nb: \0\n"s, "2:4 unexpected NUL byte"},
      {"\0a\0:\0\n"s, "1:1 unexpected NUL byte"},
      {"a: 1\r\n", "1:5 unexpected carriage return"},
      {"a: 1\n\x04\nb: [\n", "2:1 unexpected control character"},  // yaml-cpp would treat this as the end of the file
      {"a: \"\\u20\n", "2:1 invalid YAML"},  // yaml-cpp would report a place past the end, where it expected more digits
      {"\xEF\xBB\xBF\x61: 1\n", "1:1 the file starts with a byte order mark"},
      {"\xFF\xFE\x61\0"s, "1:1 invalid UTF-8 byte"},
      {std::string(max_config_size + 1, '#'), "1:1 the file is larger than 1 MiB"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.expected);
    CHECK(problems_of(row.text).substr(0, row.expected.size()) == row.expected);
    CHECK_FALSE(parse_yaml(row.text).root);
  }
}

TEST_CASE("nesting ends at 16 levels, however it is written") {
  CHECK(problems_of(repeated("[", 16) + repeated("]", 16) + "\n").empty());
  for (const std::string_view unit : {"[", "{a: ", "- ", "? ", "[{", "a: [", "[[], "}) {
    CAPTURE(unit);
    const YamlTree tree = parse_yaml(repeated(unit, 10000) + "\n");
    REQUIRE_FALSE(tree.problems.empty());
    CHECK(tree.problems.back().message == "the nesting is deeper than 16 levels");
    CHECK_FALSE(tree.root);
  }
  CHECK_FALSE(problems_of(repeated("[", 17) + repeated("]", 17) + "\n").empty());
}

TEST_CASE("a second problem at the same place is not told") {
  CHECK(problems_of("a: &x !y 1\n") == "1:4 anchors (&) are not supported; repeat the value each time");
}
