// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/value.hpp>

#include <chrono>
#include <vector>

#include "catch.hpp"

using namespace nswarden;
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

namespace {

using std::chrono::milliseconds;

/// The sense of a value on a kernel with `hertz` ticks per second.
ValueSense ticking(ValueForm form, int hertz) { return {form, std::chrono::nanoseconds(1'000'000'000 / hertz)}; }

struct Canon {
  ValueForm form;
  std::string text;
  std::string canonical;
};

}  // namespace

TEST_CASE("each form of value has one text for all that mean the same") {
  const std::vector<Canon> rows{
      {ValueForm::words, " a \t b\n", "a b"},
      {ValueForm::words, "-0", "-0"},
      {ValueForm::numbers, "4096\t131072\t33554432\n", "4096 131072 33554432"},
      {ValueForm::numbers, "-0", "0"},
      {ValueForm::numbers, "-1  18446744073709551615", "-1 18446744073709551615"},
      {ValueForm::numbers, "1 x", "1 x"},
      {ValueForm::numbers, "007", "007"},  // octal for the kernel, so the text is kept
      {ValueForm::numbers, "18446744073709551616", "18446744073709551616"},
      {ValueForm::milliseconds, "1", "1"},  // no rounding without a known tick
      {ValueForm::clock_ticks, "1", "1"},
      {ValueForm::clock_ticks, "-0", "0"},
      {ValueForm::ports, "\n", ""},
      {ValueForm::ports, "8080,8081,8082", "8080-8082"},
      {ValueForm::ports, "9000,8080-8081\n", "8080-8081,9000"},
      {ValueForm::ports, "1-10,5-7,11,13", "1-11,13"},
      {ValueForm::ports, "0-1,3-127", "0-1,3-127"},
      {ValueForm::ports, "5-5,65535", "5,65535"},
      {ValueForm::ports, "9-5", "9-5"},
      {ValueForm::ports, "1, 2", "1, 2"},
      {ValueForm::ports, "1,,2", "1,,2"},
      {ValueForm::ports, "65536", "65536"},
      {ValueForm::ipv6, "::", "0000:0000:0000:0000:0000:0000:0000:0000"},
      {ValueForm::ipv6, "::1\n", "0000:0000:0000:0000:0000:0000:0000:0001"},
      {ValueForm::ipv6, "2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"},
      {ValueForm::ipv6, "2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002:0003:0004:0005:0006"},
      {ValueForm::ipv6, "1:2:3:4:5:6:7::", "0001:0002:0003:0004:0005:0006:0007:0000"},
      {ValueForm::ipv6, "::ffff:192.0.2.1", "0000:0000:0000:0000:0000:ffff:c000:0201"},
      {ValueForm::ipv6, "1:2:3:4:5:6:1.2.3.4", "0001:0002:0003:0004:0005:0006:0102:0304"},
      {ValueForm::mask, "00000000,00000003\n", "3"},
      {ValueForm::mask, "0", "0"},
      {ValueForm::mask, "0,0", "0"},
      {ValueForm::mask, "F", "f"},
      {ValueForm::mask, "0,1,a", "1,0000000a"},
      {ValueForm::hex, "0-1-AB-ffffffff", "00000000-00000001-000000ab-ffffffff"},
      {ValueForm::hex, "1-2-3-4,5-6-7-8", "00000001-00000002-00000003-00000004,00000005-00000006-00000007-00000008"},
      {ValueForm::names, "reno bbr", "bbr reno"},
      {ValueForm::names, "cubic\treno cubic\n", "cubic reno"},
  };
  for (const Canon& row : rows) {
    CAPTURE(static_cast<int>(row.form), row.text);
    const ValueSense sense{row.form};
    CHECK(canonical(row.text, sense) == row.canonical);
    CHECK(canonical(row.canonical, sense) == row.canonical);
    CHECK(same_value(row.text, row.canonical, sense));
  }
}

TEST_CASE("what is not of its form is only normalised, and means nothing but itself") {
  const std::vector<Canon> rows{
      {ValueForm::ipv6, "1:2:3:4:5:6:7", ""},
      {ValueForm::ipv6, "1:2:3:4:5:6:7:8:9", ""},
      {ValueForm::ipv6, "1::2::3", ""},
      {ValueForm::ipv6, ":::", ""},
      {ValueForm::ipv6, ":1:2:3:4:5:6:7", ""},
      {ValueForm::ipv6, "1:2:3:4:5:6:7:", ""},
      {ValueForm::ipv6, "1:2:3:4:5:6:7:8::", ""},
      {ValueForm::ipv6, "12345::", ""},
      {ValueForm::ipv6, "g::", ""},
      {ValueForm::ipv6, "1.2.3.4", ""},
      {ValueForm::ipv6, "::1.2.3", ""},
      {ValueForm::ipv6, "::1.2.3.256", ""},
      {ValueForm::ipv6, "::1.2.3.4:5", ""},
      {ValueForm::ipv6, "1.2.3.4::", ""},
      {ValueForm::ipv6, "::1 ::2", ""},
      {ValueForm::ipv6, "::1%eth0", ""},
      {ValueForm::ipv6, "", ""},
      {ValueForm::ipv6, "-1::", ""},
      {ValueForm::mask, "123456789", ""},
      {ValueForm::mask, "0x3", ""},
      {ValueForm::mask, "3,", ""},
      {ValueForm::mask, ",3", ""},
      {ValueForm::mask, "3 4", ""},
      {ValueForm::hex, "1-2-3-", ""},
      {ValueForm::hex, "123456789-1-1-1", ""},
      {ValueForm::hex, "x-1-1-1", ""},
      {ValueForm::ports, "-5", ""},
      {ValueForm::ports, "5-", ""},
      {ValueForm::ports, "1-2-3", ""},
      {ValueForm::ports, "01", ""},
  };
  for (const Canon& row : rows) {
    CAPTURE(static_cast<int>(row.form), row.text);
    const ValueSense sense{row.form};
    CHECK(canonical(row.text, sense) == row.text);
    CHECK_FALSE(same_value(row.text, row.text + "x", sense));
  }
}

TEST_CASE("milliseconds go up to the kernel's tick, hundredths of a second down") {
  struct Row {
    ValueForm form;
    int hertz;
    std::string written;
    std::string read;
  };
  // With 250 ticks per second, as measured on the kernel by tests/netns/value_forms_test.cpp.
  const std::vector<Row> rows{
      {ValueForm::milliseconds, 250, "0", "0"},
      {ValueForm::milliseconds, 250, "1", "4"},
      {ValueForm::milliseconds, 250, "999", "1000"},
      {ValueForm::milliseconds, 250, "1000", "1000"},
      {ValueForm::milliseconds, 250, "1001", "1004"},
      {ValueForm::milliseconds, 250, "2147483647", "2147483648"},
      {ValueForm::milliseconds, 100, "11", "20"},
      {ValueForm::milliseconds, 300, "1", "3"},
      {ValueForm::milliseconds, 300, "4", "6"},
      {ValueForm::milliseconds, 300, "10", "10"},
      {ValueForm::milliseconds, 1000, "7", "7"},
      {ValueForm::milliseconds, 250, "-1", "-1"},
      {ValueForm::milliseconds, 250, "4294967296", "4294967296"},
      {ValueForm::clock_ticks, 250, "0", "0"},
      {ValueForm::clock_ticks, 250, "1", "0"},
      {ValueForm::clock_ticks, 250, "3", "2"},
      {ValueForm::clock_ticks, 250, "7", "6"},
      {ValueForm::clock_ticks, 250, "999", "998"},
      {ValueForm::clock_ticks, 250, "100", "100"},
      {ValueForm::clock_ticks, 100, "7", "7"},
      {ValueForm::clock_ticks, 1000, "7", "7"},
      {ValueForm::numbers, 250, "1", "1"},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.form), row.hertz, row.written);
    const ValueSense sense = ticking(row.form, row.hertz);
    CHECK(canonical(row.written, sense) == row.read);
    CHECK(same_value(row.written, row.read + "\n", sense));
  }
  CHECK_FALSE(same_value("1", "5", ticking(ValueForm::milliseconds, 250)));
  CHECK_FALSE(same_value("4", "8", ticking(ValueForm::milliseconds, 250)));
}

TEST_CASE("whatever the tick, a rounded value is rounded") {
  for (const int hertz : {24, 100, 128, 250, 256, 300, 1000, 1024, 1200}) {
    for (const ValueForm form : {ValueForm::milliseconds, ValueForm::clock_ticks}) {
      const ValueSense sense = ticking(form, hertz);
      for (int value = 0; value < 3000; ++value) {
        const std::string once = canonical(std::to_string(value), sense);
        if (canonical(once, sense) != once) FAIL(value << " is " << once << " and then not at " << hertz << " Hz");
      }
    }
  }
}
