// SPDX-License-Identifier: Apache-2.0
#include "restore/restore_book.hpp"

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"

namespace nswarden {
namespace {

using namespace std::string_literals;
using std::chrono::minutes;

const std::string boot = "6f0c8a34-0a5d-4a0b-8a0e-6a7f1c2d3e4f";
const Time start{std::chrono::hours(1)};

Key key(const std::string& path) { return Key::at(path).value(); }
RestoreBook::Entry entry(const std::string& path, const std::string& found, const std::string& stored,
                         const std::string& policy = "routers") {
  return {key(path), policy, found, stored};
}

RestoreBook read(const std::string& text) {
  auto book = RestoreBook::parse(text, boot);
  if (const auto* problem = std::get_if<Problem>(&book)) FAIL(problem->message);
  return std::get<RestoreBook>(std::move(book));
}
std::string refusal(std::string_view text) {
  const auto book = RestoreBook::parse(text, boot);
  const auto* problem = std::get_if<Problem>(&book);
  return problem == nullptr ? "" : problem->message;
}

/// A book of arbitrary lines with a valid checksum.
std::string forged(const std::vector<RestoreText::Fields>& lines) {
  RestoreText text(boot);
  for (const auto& line : lines) text.add(line);
  return std::move(text).end();
}

RestoreBook sample() {
  RestoreBook book;
  book.note(7, entry("ipv4/conf/a\"b\t$(id)%*/rp_filter", "2", "0"));
  book.note(7, entry("ipv4/ip_forward", "0", "1", "routers of \xC3\xA9\n"));
  book.note(18446744073709551615U, entry("ipv4/ip_local_reserved_ports", "", "8080-8082"));
  book.note(9, entry("ipv4/tcp_rmem", "4096 131072 6291456", "4096 87380 6291456"));
  return book;
}

}  // namespace

TEST_CASE("the first write of a key says what was found, later ones what is stored") {
  struct Write {
    std::string found;
    std::string stored;
  };
  struct Row {
    std::string description;
    std::vector<Write> writes;
    std::string found;
    std::string stored;  // empty: no entry
  };
  const std::vector<Row> rows{
      {"one write", {{"7200", "600"}}, "7200", "600"},
      {"another policy writes over ours", {{"7200", "600"}, {"600", "300"}}, "7200", "300"},
      {"somebody else changes it and it is set right", {{"7200", "600"}, {"5", "600"}}, "7200", "600"},
      {"the same, with another policy by then", {{"7200", "600"}, {"5", "300"}}, "7200", "300"},
      {"it comes back to what was found", {{"7200", "600"}, {"600", "7200"}}, "", ""},
      {"and goes away again", {{"7200", "600"}, {"600", "7200"}, {"7200", "10"}}, "7200", "10"},
      {"nothing was changed", {{"600", "600"}}, "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.description);
    RestoreBook book;
    for (const Write& write : row.writes) CHECK(book.note(1, entry("ipv4/tcp_keepalive_time", write.found, write.stored)));
    const RestoreBook::Entry* kept = book.find(1, key("ipv4/tcp_keepalive_time"));
    CHECK(book.size() == (row.stored.empty() ? 0 : 1));
    REQUIRE((kept != nullptr) == !row.stored.empty());
    if (kept == nullptr) continue;
    CHECK(kept->found == row.found);
    CHECK(kept->stored == row.stored);
  }
}

TEST_CASE("values that mean the same are no change") {
  RestoreBook book;
  book.note(1, entry("ipv4/ip_local_reserved_ports", "8080,8081", "8080-8081"));
  CHECK(book.empty());
}

TEST_CASE("what cannot be restored is not kept: a netns that was never bound, a secret that had no value") {
  RestoreBook book;
  CHECK(book.note(0, entry("ipv4/ip_forward", "0", "1")));
  CHECK(book.note(1, entry("ipv6/conf/all/stable_secret", "", "2001:db8::1")));
  CHECK(book.empty());
  CHECK(book.note(1, entry("ipv6/conf/all/stable_secret", "2001:db8::2", "2001:db8::1")));
  CHECK(book.size() == 1);
}

TEST_CASE("an entry tells the policy that wrote last, and a write that tells nothing new is no other revision") {
  RestoreBook book;
  book.note(1, entry("ipv4/ip_forward", "0", "1", "one"));
  const std::uint64_t revision = book.revision();
  book.note(1, entry("ipv4/ip_forward", "0", "1", "one"));
  CHECK(book.revision() == revision);
  book.note(1, entry("ipv4/ip_forward", "0", "1", "two"));
  CHECK(book.revision() != revision);
  CHECK(book.find(1, key("ipv4/ip_forward"))->policy == "two");
}

TEST_CASE("entries of a netns come in write order") {
  RestoreBook book;
  for (const char* path : {"ipv4/conf/eth0/forwarding", "ipv4/conf/all/forwarding", "ipv6/conf/default/forwarding",
                           "ipv4/conf/default/forwarding", "ipv4/ip_forward", "core/somaxconn"}) {
    book.note(3, entry(path, "0", "1"));
  }
  std::vector<std::string> order;
  for (const auto& one : book.entries(3)) order.push_back(one.key.path());
  CHECK(order == std::vector<std::string>{"core/somaxconn", "ipv4/ip_forward", "ipv4/conf/all/forwarding",
                                          "ipv4/conf/default/forwarding", "ipv6/conf/default/forwarding",
                                          "ipv4/conf/eth0/forwarding"});
  CHECK(book.entries(4).empty());
}

TEST_CASE("a netns is forgotten when it has not been seen for ten minutes, and not before") {
  RestoreBook book;
  book.note(1, entry("ipv4/ip_forward", "0", "1"));
  book.note(2, entry("ipv4/ip_forward", "0", "1"));
  book.mark_alive(std::vector<std::uint64_t>{1}, start);
  book.mark_alive(std::vector<std::uint64_t>{1, 2}, start + minutes(9));
  book.mark_alive(std::vector<std::uint64_t>{1}, start + minutes(10));
  CHECK(book.knows(2));
  const std::uint64_t revision = book.revision();
  book.mark_alive(std::vector<std::uint64_t>{1}, start + minutes(20) - std::chrono::seconds(1));
  CHECK(book.knows(2));
  CHECK(book.revision() == revision);
  book.mark_alive(std::vector<std::uint64_t>{1}, start + minutes(20));
  CHECK_FALSE(book.knows(2));
  CHECK(book.revision() != revision);
  CHECK(book.size() == 1);
}

TEST_CASE("a book has a bound, above which writes are not kept, and room again when entries go") {
  RestoreBook book;
  const std::string large(100000, '1');
  std::uint64_t cookie = 0;
  while (book.note(++cookie, entry("ipv4/ip_forward", "0", large))) REQUIRE(cookie < 1000);
  CHECK(book.size() == cookie - 1);
  CHECK(cookie > 80);
  CHECK_FALSE(book.knows(cookie));
  CHECK(book.text(boot).size() <= RestoreBook::max_text_size);
  book.drop(1, key("ipv4/ip_forward"));
  CHECK(book.note(cookie, entry("ipv4/ip_forward", "0", large)));
}

TEST_CASE("what is written is read again, hostile names included, and written the same") {
  const std::string text = sample().text(boot);
  const RestoreBook book = read(text);
  CHECK(book.text(boot) == text);
  CHECK(book.size() == 4);
  CHECK(book.find(7, key("ipv4/conf/a\"b\t$(id)%*/rp_filter"))->found == "2");
  CHECK(book.find(7, key("ipv4/ip_forward"))->policy == "routers of \xC3\xA9\n");
  CHECK(book.find(18446744073709551615U, key("ipv4/ip_local_reserved_ports"))->found.empty());
  CHECK(read(RestoreBook().text(boot)).empty());
}

TEST_CASE("the text of a book stays what earlier versions of the daemon wrote") {
  RestoreBook book;
  book.note(7, entry("ipv4/conf/a b/rp_filter", "2", "0"));
  CHECK(book.text("b") == "nswarden-restore 1 b\n7\tipv4/conf/a%20b/rp_filter\trouters\t2\t0\nend 1 5792d23e5bd7d323\n");
}

TEST_CASE("the book of another boot is empty") {
  auto other = RestoreBook::parse(sample().text("another"), boot);
  REQUIRE(std::holds_alternative<RestoreBook>(other));
  CHECK(std::get<RestoreBook>(other).empty());
}

TEST_CASE("lines that no book has are refused, even with the right checksum") {
  const RestoreText::Fields good{"7", "ipv4/ip_forward", "routers", "0", "1"};
  CHECK(refusal(forged({good})).empty());
  struct Row {
    std::vector<RestoreText::Fields> lines;
    std::string reason;
  };
  const auto with = [&](std::size_t field, const std::string& text) {
    RestoreText::Fields fields = good;
    fields[field] = text;
    return std::vector<RestoreText::Fields>{fields};
  };
  const std::vector<Row> rows{
      {with(0, "0"), "cookie"},
      {with(0, "07"), "cookie"},
      {with(0, "+7"), "cookie"},
      {with(0, "-7"), "cookie"},
      {with(0, "7 "), "cookie"},
      {with(0, ""), "cookie"},
      {with(0, "18446744073709551616"), "cookie"},
      {with(1, ""), "key"},
      {with(1, "ipv4"), "key"},
      {with(1, "ipv4/../../kernel/core_pattern"), "key"},
      {with(1, "/ipv4/ip_forward"), "key"},
      {with(1, "ipv4//ip_forward"), "key"},
      {with(1, "ipv4/./ip_forward"), "key"},
      {with(1, "ipv4/ip_forward\0"s), "key"},
      {with(4, "0"), "no value to restore"},
      {{good, good}, "order"},
      {{{"8", "ipv4/ip_forward", "p", "0", "1"}, good}, "order"},
      {{{"7", "ipv4/tcp_rmem", "p", "0", "1"}, good}, "order"},
      {with(3, std::string(RestoreBook::max_size, '2')), "too many entries"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.reason, row.lines[0][0], row.lines[0][1]);
    CHECK(refusal(forged(row.lines)).find(row.reason) != std::string::npos);
  }
}

TEST_CASE("a field is only taken as it is written") {
  CHECK(RestoreText::fields_of("1\t2\t3\t4\t5").has_value());
  CHECK(RestoreText::fields_of("\t\t\t\t").has_value());
  CHECK(RestoreText::fields_of("%20\t%25\t%0A\t%FF\t5").value() == RestoreText::Fields{" ", "%", "\n", "\xFF", "5"});
  for (const char* line : {"", "1\t2\t3\t4", "1\t2\t3\t4\t5\t6", "%\t2\t3\t4\t5", "%2\t2\t3\t4\t5", "%41\t2\t3\t4\t5",
                           "%0a\t2\t3\t4\t5", "%G0\t2\t3\t4\t5", " \t2\t3\t4\t5", "\xC3\t2\t3\t4\t5"}) {
    CAPTURE(std::string(line));
    CHECK_FALSE(RestoreText::fields_of(line).has_value());
  }
}

TEST_CASE("texts that are none of ours, or of a later version, say so") {
  CHECK(refusal("").find("not a restore book") != std::string::npos);
  CHECK(refusal("version: 1\n").find("not a restore book") != std::string::npos);
  CHECK(refusal("nswarden-restore 2 b\nend 0 0\n").find("version 2") != std::string::npos);
  CHECK_FALSE(refusal("nswarden-restore 1\n").empty());
  CHECK_FALSE(refusal("nswarden-restore 1 b\n").empty());
  CHECK_FALSE(refusal("nswarden-restore 1 b").empty());
}

TEST_CASE("a book that is damaged in any one byte, cut anywhere, or added to, is refused") {
  const std::string text = sample().text(boot);
  for (std::size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    CHECK_FALSE(refusal(text.substr(0, i)).empty());
    for (const int flip : {1, 2, 16, 128}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      CHECK_FALSE(refusal(damaged).empty());
    }
  }
  CHECK_FALSE(refusal(text + "\n").empty());
  CHECK_FALSE(refusal(text + text).empty());
}

TEST_CASE("whatever bytes are read, it is refused or exactly what would be written") {
  std::mt19937 random(20);
  const std::string_view alphabet = "\n\t %0129ABend/ipv4.nswarden-restore\xFF\0";
  const std::vector<std::string> words{
      "7", "ipv4/ip_forward", "ipv4/conf/eth0/rp_filter", "0", "1", "%20", "\t", "\n", "..", "8", "ipv4/a", "%", ""};
  const auto below = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random); };
  std::size_t taken = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = sample().text(boot);
    if (round % 2 == 0) {
      std::vector<RestoreText::Fields> lines(below(4));
      for (auto& line : lines) {
        for (auto& field : line) field = words[below(words.size())];
        if (below(2) == 0) line = {std::to_string(below(9)), "ipv4/" + words[below(words.size())], "p", "0", words[below(5)]};
      }
      text = forged(lines);
    } else {
      for (std::size_t i = 0; i < 1 + below(8); ++i) text[below(text.size())] = alphabet[below(alphabet.size())];
    }
    const auto book = RestoreBook::parse(text, boot);
    if (std::holds_alternative<Problem>(book)) continue;
    ++taken;
    CHECK(std::get<RestoreBook>(book).text(boot) == text);
  }
  CHECK(taken > 100);
}

}  // namespace nswarden
