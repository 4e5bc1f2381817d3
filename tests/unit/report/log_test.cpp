// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/os/line_writer.hpp>
#include <nswarden/report/log.hpp>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "shown.hpp"
namespace {

using nswarden::Fd;
using nswarden::LineLimiter;
using nswarden::LineWriter;
using nswarden::Log;
using nswarden::LogFormat;
using nswarden::LogLevel;
using nswarden::test::content;
using nswarden::test::lines_of;
using nswarden::test::memory_file;
using namespace std::chrono_literals;

/// All pending data of a pipe or socket, without blocking.
std::string take(int fd) {
  std::string all;
  std::array<char, 65536> part{};
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, 0) == 1) {
    const ssize_t count = ::read(fd, part.data(), part.size());
    if (count <= 0) break;
    all.append(part.data(), static_cast<std::size_t>(count));
  }
  return all;
}

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  Fd reader;
  Fd writer;
};

/// One log line without its time, whose format is checked.
std::string logged(LogFormat format, std::string_view message, std::initializer_list<nswarden::LogField> fields) {
  const Fd file = memory_file();
  Log(file.get(), LogLevel::info, format).info(message, fields);
  const std::string text = content(file);
  static const std::regex time(R"re((ts=|"ts":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z("?[ ,]))re");
  REQUIRE(std::regex_search(text, time));
  return std::regex_replace(text, time, "$1T$2");
}

}  // namespace

TEST_CASE("a logfmt line has time, level and message, and quotes only what needs it") {
  CHECK(logged(LogFormat::logfmt, "netns governed", {{"netns", "qrouter-1"}, {"have", "0"}}) ==
        "ts=T level=info msg=\"netns governed\" netns=qrouter-1 have=0\n");
  CHECK(logged(LogFormat::logfmt, "stopped", {{"a", "x=y"}, {"b", "say \"no\""}, {"c", ""}}) ==
        "ts=T level=info msg=stopped a=\"x=y\" b=\"say \\\"no\\\"\" c=\"\"\n");
}

TEST_CASE("a netns name cannot forge a field or a line of the log") {
  CHECK(logged(LogFormat::logfmt, "m", {{"netns", "a\nts=1 level=error"}}) ==
        "ts=T level=info msg=m netns=\"a\\\\x0ats=1 level=error\"\n");
  CHECK(logged(LogFormat::logfmt, "m", {{"netns", "\xff\x1b[31m"}}) == "ts=T level=info msg=m netns=\\xff\\x1b[31m\n");
  const std::string line = logged(LogFormat::json, "m", {{"netns", "a\"}\n{\"level\":\"error"}});
  CHECK(lines_of(line).size() == 1);
  CHECK(nlohmann::json::parse(line).at("level") == "info");
}

TEST_CASE("a JSON line is one object with the same fields") {
  const auto line = nlohmann::json::parse(logged(LogFormat::json, "netns governed", {{"netns", "q \xff"}}));
  CHECK(line == nlohmann::json{{"ts", "T"}, {"level", "info"}, {"msg", "netns governed"}, {"netns", "q \\xff"}});
}

TEST_CASE("lines below the level are left out") {
  const Fd file = memory_file();
  Log log(file.get(), LogLevel::warn, LogFormat::logfmt);
  log.debug("one");
  log.info("two");
  log.limited("topic", LogLevel::info, "three");
  log.warn("four");
  log.error("five");
  const auto lines = lines_of(content(file));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("level=warn msg=four") != std::string::npos);
  CHECK(lines[1].find("level=error msg=five") != std::string::npos);
  CHECK_FALSE(log.enabled(LogLevel::info));
  CHECK(log.enabled(LogLevel::error));
}

TEST_CASE("a reader that stops reading blocks nothing, loses no order, and is told how much was dropped") {
  const Pipe pipe;
  Log log(pipe.writer.get(), LogLevel::info, LogFormat::logfmt);
  constexpr std::size_t total = 20000;
  const std::string filling(100, 'x');
  for (std::size_t i = 0; i < total; ++i) log.info("line", {{"number", std::to_string(i)}, {"filling", filling}});

  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (text.find("log lines dropped") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    text += take(pipe.reader.get());
    log.flush();
  }
  text += take(pipe.reader.get());
  log.info("line", {{"number", "last"}});
  text += take(pipe.reader.get());

  const auto lines = lines_of(text);
  REQUIRE(lines.size() > 3);
  for (std::size_t i = 0; i < lines.size() - 2; ++i) {
    INFO(lines[i]);
    REQUIRE(lines[i].find(" msg=line number=" + std::to_string(i) + " filling=" + filling) != std::string::npos);
  }
  const std::string expected = "level=warn msg=\"log lines dropped\" count=" + std::to_string(total - (lines.size() - 2));
  CHECK(lines[lines.size() - 2].find(expected) != std::string::npos);
  CHECK(lines.back().find("number=last") != std::string::npos);
}

TEST_CASE("the flags of an fd that others share stay as they are") {
  const Pipe pipe;
  const int before = ::fcntl(pipe.writer.get(), F_GETFL);
  Log log(pipe.writer.get(), LogLevel::info, LogFormat::logfmt);
  log.info("one");
  CHECK(::fcntl(pipe.writer.get(), F_GETFL) == before);
  CHECK(lines_of(take(pipe.reader.get())).size() == 1);
}

TEST_CASE("a socket that is full blocks nothing, and takes the rest later in order") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  LineWriter lines(writer.get());
  std::size_t taken = 0;
  const std::string filling(1000, 'x');
  while (lines.write(std::to_string(taken) + filling + "\n")) ++taken;
  REQUIRE(lines.waiting() > 0);

  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (lines.waiting() > 0 && std::chrono::steady_clock::now() < deadline) {
    text += take(reader.get());
    lines.flush();
  }
  text += take(reader.get());
  const auto got = lines_of(text);
  REQUIRE(got.size() == taken);
  for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == std::to_string(i) + filling);
}

TEST_CASE("where the pipe cannot be opened again, a full one blocks nothing either") {
  const Pipe pipe;
  // A child process, because it gives up the right to open the pipe; alarm() turns a hang into a failure.
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::fchmod(pipe.writer.get(), 0);
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    const std::string path = "/proc/self/fd/" + std::to_string(pipe.writer.get());
    if (::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC) >= 0) ::_exit(3);
    LineWriter lines(pipe.writer.get());
    std::size_t taken = 0;
    const std::string line(999, 'x');
    while (lines.write(line + "\n")) ++taken;
    ::_exit(taken * 1000 > LineWriter::capacity && lines.waiting() > 0 ? 0 : 4);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  const auto got = lines_of(take(pipe.reader.get()));
  REQUIRE(got.size() > 1);
  CHECK(got.front() == std::string(999, 'x'));
}

TEST_CASE("lines for a reader that has gone are dropped") {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  Pipe pipe;
  LineWriter lines(pipe.writer.get());
  CHECK(lines.write("one\n"));
  pipe.reader.reset();
  CHECK_FALSE(lines.write("two\n"));
  CHECK(lines.waiting() == 0);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("an fd that was closed takes no line, also when something else gets its number") {
  Fd file = memory_file();
  const int number = file.get();
  file.reset();
  LineWriter lines(number);
  const Fd other = memory_file();
  REQUIRE(other.get() == number);
  CHECK_FALSE(lines.write("one\n"));
  CHECK(lines.waiting() == 0);
  CHECK(content(other).empty());
}

TEST_CASE("a topic gets its lines a minute, and the next minute says how many were left out") {
  LineLimiter limiter;
  const LineLimiter::Time start = LineLimiter::Time{} + 1h;
  for (std::size_t i = 0; i < LineLimiter::burst; ++i) CHECK(limiter.allow("a", start) == 0U);
  CHECK_FALSE(limiter.allow("a", start + 1s).has_value());
  CHECK_FALSE(limiter.allow("a", start + 59s).has_value());
  CHECK(limiter.allow("b", start + 59s) == 0U);
  CHECK(limiter.allow("a", start + 60s) == 2U);
  CHECK(limiter.allow("a", start + 61s) == 0U);
}

TEST_CASE("topics without end take no memory without end, and silent ones make room") {
  LineLimiter limiter;
  const LineLimiter::Time start = LineLimiter::Time{} + 1h;
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < 10 * LineLimiter::max_topics; ++i) {
    if (limiter.allow("topic " + std::to_string(i), start)) ++admitted;
  }
  CHECK(limiter.topics() == LineLimiter::max_topics);
  CHECK(admitted == LineLimiter::max_topics + LineLimiter::burst);
  CHECK(limiter.allow("a new one", start + 2min).has_value());
  CHECK(limiter.topics() == 1);
}

TEST_CASE("a limited line that comes without end is written a few times") {
  const Fd file = memory_file();
  Log log(file.get(), LogLevel::info, LogFormat::logfmt);
  for (int i = 0; i < 100; ++i) log.limited("topic", LogLevel::info, "again");
  CHECK(lines_of(content(file)).size() == LineLimiter::burst);
}

TEST_CASE("threads that log at once never mix their lines") {
  const Fd file = memory_file();
  {
    Log log(file.get(), LogLevel::info, LogFormat::json);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&log] {
        for (int line = 0; line < 200; ++line) log.info("line", {{"filling", "0123456789"}});
      });
    }
    for (auto& thread : threads) thread.join();
  }
  const auto lines = lines_of(content(file));
  REQUIRE(lines.size() == 800);
  for (const auto& line : lines) REQUIRE(nlohmann::json::parse(line).at("msg") == "line");
}
