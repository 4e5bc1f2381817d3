// SPDX-License-Identifier: Apache-2.0
#include "cli/http_client.hpp"

#include "catch.hpp"

using namespace nswarden;

namespace {

Url url_of(std::string_view text) {
  auto parsed = parse_url(text);
  if (const auto* problem = std::get_if<Problem>(&parsed)) FAIL(text << ": " << problem->message);
  return std::get<Url>(parsed);
}

std::string problem_of(std::string_view text) {
  const auto parsed = parse_url(text);
  const auto* problem = std::get_if<Problem>(&parsed);
  return problem == nullptr ? std::string() : problem->message;
}

}  // namespace

TEST_CASE("a URL is a scheme, a host and a port") {
  CHECK(url_of("http://127.0.0.1:10042").display_text() == "http://127.0.0.1:10042");
  CHECK(url_of("http://node-7.example").port == 80);
  CHECK(url_of("https://node-7.example").port == 443);
  CHECK(url_of("https://node-7.example").tls);
  CHECK_FALSE(url_of("http://h").tls);
  CHECK(url_of("http://h:65535").authority() == "h:65535");
}

TEST_CASE("an IPv6 address stands in brackets, and its zone stays here") {
  CHECK(url_of("http://[::1]:80").host == "::1");
  CHECK(url_of("https://[2001:db8::1]").authority() == "[2001:db8::1]:443");
  for (const char* text : {"http://[fe80::1%eth0]:1", "http://[fe80::1%25eth0]:1"}) {
    CHECK(url_of(text).host == "fe80::1%eth0");
    CHECK(url_of(text).authority() == "[fe80::1]:1");
  }
  CHECK(problem_of("http://::1:80").find("write [ADDRESS]:PORT") != std::string::npos);
  CHECK_FALSE(problem_of("http://[name]:80").empty());
  CHECK_FALSE(problem_of("http://[::1").empty());
  CHECK_FALSE(problem_of("http://[::1]80").empty());
  CHECK_FALSE(problem_of("http://[]").empty());
}

TEST_CASE("a path stands before those of the API") {
  CHECK(url_of("http://h/").path.empty());
  CHECK(url_of("http://h/nodes/7/").path == "/nodes/7");
  CHECK(url_of("http://h:1/nodes/7").display_text() == "http://h:1/nodes/7");
}

TEST_CASE("credentials are decoded and never shown") {
  const Url url = url_of("https://watcher:p%40ss%3a%2F%25@h/x");
  CHECK(url.credentials == "watcher:p@ss:/%");
  CHECK(url.display_text() == "https://h:443/x");
  CHECK(url.authority() == "h:443");
  CHECK(url_of("http://u:@h").credentials == "u:");
  CHECK(url_of("http://u:a@b@h").credentials == "u:a@b");
}

TEST_CASE("what is no such URL is refused by a line that repeats nothing of it") {
  for (const char* text : {"",
                           "secret",
                           "h:80",
                           "ftp://u:secret@h",
                           "HTTP//secret",
                           "http://",
                           "http://u:secret@",
                           "http://secret@h",
                           "http://u:secret%@h",
                           "http://u:secret%4@h",
                           "http://u:secret%00@h",
                           "http://u%3a:secret@h",
                           "http://u:secret@h:",
                           "http://u:secret@h:0",
                           "http://u:secret@h:65536",
                           "http://u:secret@h:-1",
                           "http://u:secret@h:80x",
                           "http://u:secret@h h",
                           "http://u:secret@h\r\nX: y",
                           "http://u:secret@h/\r\nX: y",
                           "http://u:secret@h/?a",
                           "http://u:secret@h/#a",
                           "http://u:se/secret@h",
                           "http://u:secret@\xff"}) {
    INFO(text);
    CHECK_FALSE(problem_of(text).empty());
    CHECK(problem_of(text).find("secret") == std::string::npos);
    CHECK(problem_of(text).find('\n') == std::string::npos);
  }
}
