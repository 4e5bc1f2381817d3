// SPDX-License-Identifier: Apache-2.0
#include "cli/http_response.hpp"

#include <initializer_list>

#include "catch.hpp"

using namespace nswarden;

namespace {

constexpr std::size_t most = 100;

/// Parses these parts; if they are incomplete, also the end of the connection.
HttpResponse response_to(std::initializer_list<std::string> parts) {
  HttpResponse response(most);
  for (const std::string& part : parts) {
    if (!response.done()) response.feed(part);
  }
  if (!response.done()) response.end();
  return response;
}

std::string problem_of(std::string text) { return response_to({std::move(text)}).problem(); }

}  // namespace

TEST_CASE("an answer is whole at its length, without waiting for the end of the connection") {
  HttpResponse response(most);
  response.feed("HTTP/1.1 200 OK\r\ncontent-LENGTH:  2 \r\nX: y\r\n\r\n{");
  CHECK_FALSE(response.done());
  response.feed("}and more");
  CHECK(response.done());
  CHECK(response.problem().empty());
  CHECK(response.status() == 200);
  CHECK(response.body() == "{}");
}

TEST_CASE("an answer without a length ends with its connection") {
  HttpResponse response(most);
  response.feed("HTTP/1.0 404 Not Found\r\n\r\ngone");
  CHECK_FALSE(response.done());
  response.end();
  CHECK(response.done());
  CHECK(response.problem().empty());
  CHECK(response.status() == 404);
  CHECK(response.body() == "gone");
}

TEST_CASE("it does not matter where an answer is cut into parts") {
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    auto response = response_to({text.substr(0, first), text.substr(first)});
    CHECK(response.problem().empty());
    CHECK(response.body() == "abcd");
  }
}

TEST_CASE("an answer without a body needs none") {
  CHECK(problem_of("HTTP/1.1 204 No Content\r\n\r\n").empty());
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").empty());
}

TEST_CASE("an answer that is cut short is refused") {
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd") == "the response is incomplete: 4 of 5 bytes");
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Le") == "the response is incomplete");
  CHECK(problem_of("") == "connection closed without a response");
}

TEST_CASE("what is no HTTP/1 is refused, and at once") {
  for (const char* text :
       {"S", "SSH-2.0-OpenSSH\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 -20 x\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 999 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"}) {
    INFO(text);
    HttpResponse response(most);
    response.feed(text);
    CHECK(response.done());
    CHECK(response.problem() == "not HTTP");
  }
}

TEST_CASE("a length that is none, or two of them, is refused") {
  for (const char* value : {"", "-1", "+1", "0x1", "1 1", "1,1", "99999999999999999999"}) {
    INFO(value);
    CHECK_FALSE(problem_of("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(value) + "\r\n\r\nx").empty());
  }
  CHECK_FALSE(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy").empty());
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx").empty());
}

TEST_CASE("an answer is bounded, whether it tells its length or not") {
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n") == "the response has more than 100 bytes");
  CHECK(problem_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x')) == "the response has more than 100 bytes");
  CHECK(problem_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(100, 'x')).empty());
  HttpResponse response(most);
  response.feed("HTTP/1.1 200 OK\r\nX: ");
  for (int i = 0; i < 100 && !response.done(); ++i) response.feed(std::string(1024, 'x'));
  CHECK(response.problem() == "the response head is too long");
}

TEST_CASE("encodings that were not asked for are refused by name, and the name moves nothing") {
  CHECK(problem_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").find("(chunked)") != std::string::npos);
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Encoding: \x1b[2J\r\n\r\n").find("(\\x1b[2J)") != std::string::npos);
  CHECK(problem_of("HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 0\r\n\r\n").empty());
}
