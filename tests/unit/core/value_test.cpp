// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/value.hpp>

#include <vector>

#include "catch.hpp"

using namespace nswarden::core;
using namespace std::string_literals;

TEST_CASE("a value that the kernel would take as another one is refused") {
  const std::vector<std::string> refused{
      "",     " ",          "\t",  "010",  "-010", "00",   "+5",   "0x2",  "0X2",  "-0x2",
      "+0x2", "4096 010 5", "1\n", "1\n2", "1\0"s, "\x01", "a\rb", "\x7f", "1 +2", std::string(4097, '1')};
  for (const std::string& value : refused) {
    CAPTURE(value);
    CHECK(value_problem(value));
  }
}

TEST_CASE("a value that means what it says is taken") {
  const std::vector<std::string> taken{"0",
                                       "-1",
                                       "1",
                                       "4294967296",
                                       "4096 87380 6291456",
                                       "4096\t87380\t6291456",
                                       "bbr",
                                       "8080-8082,9000",
                                       "0000000a-00000000-00000000-00000000",
                                       "00000000-00000000-00000000-00000000",
                                       "2001:db8::1",
                                       "0f",
                                       "+",
                                       "-",
                                       "+x",
                                       std::string(4096, '1')};
  for (const std::string& value : taken) {
    CAPTURE(value);
    CHECK_FALSE(value_problem(value));
  }
}

TEST_CASE("the reason for a refused value names the remedy and never the value, which may be a secret") {
  CHECK(value_problem("010").value_or("").find("octal") != std::string::npos);
  CHECK(value_problem("0x2").value_or("").find("hexadecimal") != std::string::npos);
  CHECK(value_problem("12345678 0x90abcdef").value_or("").find("90abcdef") == std::string::npos);
}

TEST_CASE("values are compared by their words, whatever white space the kernel puts between them") {
  struct Row {
    std::string a;
    std::string b;
    bool same;
  };
  const std::vector<Row> rows{
      {"1", "1\n", true},       {"4096 87380 6291456", "4096\t87380\t6291456\n", true},
      {"  1  2 ", "1 2", true}, {"", "\n", true},
      {"1", "", false},         {"1 2", "1", false},
      {"1", "1 2", false},      {"12", "1 2", false},
      {"1", "2", false},        {"8080,8081", "8080-8081", false},
      {"1", "1\0"s, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.a, row.b);
    CHECK(same_value(row.a, row.b) == row.same);
    CHECK(same_value(row.b, row.a) == row.same);
    CHECK((normalised(row.a) == normalised(row.b)) == row.same);
  }
  CHECK(normalised("\t4096\t87380  6291456\n") == "4096 87380 6291456");
  CHECK(normalised(" \n").empty());
}
