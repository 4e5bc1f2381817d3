// SPDX-License-Identifier: Apache-2.0
// Real shells: input and kept output of a command, and the end of all its processes at its limits.
#include "commands/command_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/signals.hpp>
#include "catch.hpp"
#include "private_netns.hpp"
#include "stretched.hpp"

namespace nswarden {
namespace {

using namespace std::chrono_literals;
using End = CommandResult::End;

constexpr auto deadline = 20s;

template <class Condition>
bool becomes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + test::stretched(deadline);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

CommandRequest request(std::uint64_t id, std::string command, std::chrono::milliseconds timeout = 15s) {
  return {id, std::move(command), {"NETNS=a b\n", "NSWARDEN_EVENT=IN_CREATE"}, test::stretched(timeout)};
}

std::vector<CommandResult> wait_for(CommandRunner& runner, std::size_t count) {
  std::vector<CommandResult> all;
  becomes_true([&] {
    std::array<pollfd, 2> polled{pollfd{runner.results_fd(), POLLIN, 0}, pollfd{runner.requests_fd(), POLLIN, 0}};
    ::poll(polled.data(), polled.size(), 1000);
    for (CommandResult& result : runner.read()) all.push_back(std::move(result));
    return all.size() >= count;
  });
  REQUIRE(all.size() == count);
  return all;
}

CommandResult run(CommandRunner& runner, const std::string& command, std::chrono::milliseconds timeout = 15s) {
  REQUIRE(runner.start(request(1, command, timeout)).ok());
  return wait_for(runner, 1).front();
}

CommandResult run(const std::string& command, std::chrono::milliseconds timeout = 15s) {
  CommandRunner runner(1000);
  return run(runner, command, timeout);
}

std::string content(const std::string& path) {
  // The process may exit during the read.
  const auto text = read_file(path, std::size_t{1} << 20);
  return text ? *text : std::string();
}

/// A number that a command wrote to a file, once the line is complete.
pid_t pid_in(const std::string& path) {
  REQUIRE(becomes_true([&] { return content(path).ends_with('\n'); }));
  return std::stoi(content(path));
}

/// A zombie counts as ended, regardless of its parent.
bool has_ended(pid_t pid) {
  const std::string stat = content("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.at(name_end + 2) == 'Z';
}

TEST_CASE("a command is a shell's, and its exit status and output are told") {
  const CommandResult result = run("echo out; echo err >&2; exit 3");
  CHECK(result.id == 1);
  CHECK(result.end == End::exited);
  CHECK(result.code == 3);
  CHECK(result.head == "out\nerr\n");
  CHECK(result.tail.empty());
  CHECK(result.output_size == 8);
  CHECK_FALSE(result.left_running);
}

TEST_CASE("a signal that ends the shell is told") {
  const CommandResult result = run("kill -KILL $$");
  CHECK(result.end == End::signalled);
  CHECK(result.code == SIGKILL);
}

TEST_CASE("a command gets its own variables byte for byte, and none by which it could speak for the daemon") {
  REQUIRE(::setenv("NOTIFY_SOCKET", "/run/notify", 1) == 0);
  REQUIRE(::setenv("NETNS", "wrong", 1) == 0);
  REQUIRE(::setenv("KEPT", "yes", 1) == 0);
  const CommandResult result = run("printf %s \"[$NETNS] $NSWARDEN_EVENT $KEPT\"; env | grep -c -e NOTIFY -e ^NETNS");
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("NETNS");
  ::unsetenv("KEPT");
  CHECK(result.head == "[a b\n] IN_CREATE yes1\n");
}

TEST_CASE("a child is as fresh as kernel fact 36 wants it: fds, signals, limits, directory, session") {
  const Fd leak(::open("/dev/null", O_RDONLY));  // not even close-on-exec
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::sigaddset(&blocked, signal);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  auto* const old = ::signal(SIGPIPE, SIG_IGN);
  CommandRunner runner(256);
  const CommandResult result = run(runner,
                                   "ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0; pwd; ulimit -Sn; "
                                   "grep -e SigBlk -e SigIgn /proc/self/status; "
                                   "[ $(ps -o sid= -p $$) = $$ ] && echo session");
  ::signal(SIGPIPE, old);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  CHECK(result.head ==
        "0 1 2 3 /dev/null\n/\n256\n"  // 3 belongs to ls itself
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nsession\n");
}

TEST_CASE("of a flood of output the first and the last 4 KiB are kept, and all of it is counted") {
  const CommandResult result = run("seq 1 100000; echo end");
  CHECK(result.output_size == 588895 + 4);
  CHECK(result.head.size() == 4096);
  CHECK(result.head.starts_with("1\n2\n3\n"));
  CHECK(result.tail.size() == 4096);
  CHECK(result.tail.ends_with("99999\n100000\nend\n"));
  const CommandResult less = run("head -c 6000 /dev/zero | tr '\\0' x; printf y");
  CHECK(less.head.size() + less.tail.size() == 6001);
  CHECK(less.tail.ends_with("xy"));
}

TEST_CASE("at the time limit everything that a command started is ended, also what has left its session or ignores SIGTERM") {
  const test::TempDir dir;
  const auto begin = std::chrono::steady_clock::now();
  const CommandResult result = run("setsid sh -c 'trap \"\" TERM; echo $$ > " + (dir / "stubborn") +
                                       "; while :; do sleep 100; done' & "
                                       "(setsid setsid sh -c 'echo $$ > " +
                                       (dir / "orphan") +
                                       "; sleep 100' &) ; "
                                       "echo begun; sleep 100",
                                   500ms);
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(result.end == End::timed_out);
  CHECK(result.head.starts_with("begun\n"));  // a shell may print how its children ended
  CHECK(took >= 2500ms);                      // the process that ignores SIGTERM got its two seconds
  CHECK(has_ended(pid_in(dir / "stubborn")));
  CHECK(has_ended(pid_in(dir / "orphan")));
}

TEST_CASE("a command that ends itself on SIGTERM is not waited for any longer") {
  const auto begin = std::chrono::steady_clock::now();
  const CommandResult result = run("trap 'echo ends; exit 0' TERM; sleep 100 & wait", 200ms);
  CHECK(result.end == End::timed_out);
  CHECK(result.head.find("ends\n") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - begin < test::stretched(2s));
}

std::size_t processes_with(const std::string& word) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    count += content(entry.path() / "cmdline").find(word) != std::string::npos ? 1 : 0;
  }
  return count;
}

TEST_CASE("what forks without end is ended whole") {
  const std::string mark = "60." + std::to_string(::getpid());
  const CommandResult result =
      run("trap '' TERM; echo begun; while :; do (setsid sleep " + mark + " &); sleep " + mark + " & done", 600ms);
  CHECK(result.end == End::timed_out);
  CHECK(result.head.starts_with("begun\n"));
  CHECK(processes_with(mark) == 0);
}

TEST_CASE("what a command leaves running on purpose goes on, and is told") {
  const test::TempDir dir;
  const CommandResult result = run("setsid sleep 100 & echo $! > " + (dir / "pid"));
  CHECK(result.end == End::exited);
  CHECK(result.code == 0);
  CHECK(result.left_running);
  const pid_t pid = pid_in(dir / "pid");
  CHECK_FALSE(has_ended(pid));
  ::kill(pid, SIGKILL);
}

TEST_CASE("commands run beside each other, and starting one waits for none") {
  CommandRunner runner(1000);
  const std::string command = "sleep " + std::to_string(static_cast<double>(test::stretched(500ms).count()) / 1000);
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t id = 1; id <= 4; ++id) REQUIRE(runner.start(request(id, command)).ok());
  CHECK(std::chrono::steady_clock::now() - begin < test::stretched(400ms));
  CHECK(runner.read().empty());
  CHECK(wait_for(runner, 4).size() == 4);
}

TEST_CASE("when the daemon goes, what runs is ended") {
  const test::TempDir dir;
  {
    CommandRunner runner(1000);
    REQUIRE(runner.start(request(1, "echo $$ > " + (dir / "pid") + "; sleep 100")).ok());
    pid_in(dir / "pid");
  }
  CHECK(becomes_true([pid = pid_in(dir / "pid")] { return has_ended(pid); }));
}

TEST_CASE("when the server is killed what ran is lost and ended, and the next command has another server") {
  const test::TempDir dir;
  CommandRunner runner(1000);
  const pid_t server = std::stoi(run(runner, "awk '/^PPid/ {print $2}' /proc/$PPID/status").head);
  REQUIRE(runner.start(request(2, "echo $$ > " + (dir / "pid") + "; sleep 100")).ok());
  pid_in(dir / "pid");
  REQUIRE(::kill(server, SIGKILL) == 0);
  const auto lost = wait_for(runner, 1);
  CHECK(lost[0].id == 2);
  CHECK(lost[0].end == End::lost);
  CHECK(becomes_true([pid = pid_in(dir / "pid")] { return has_ended(pid); }));
  CHECK(run(runner, "echo again").head == "again\n");
}

TEST_CASE("when a supervisor is killed its command is lost, and the others are not") {
  CommandRunner runner(1000);
  REQUIRE(runner.start(request(1, "kill -KILL $PPID; sleep 0.1")).ok());
  REQUIRE(runner.start(request(2, "sleep 0.3; echo fine")).ok());
  const auto results = wait_for(runner, 2);
  CHECK(results[0].id == 1);
  CHECK(results[0].end == End::lost);
  CHECK(results[1].head == "fine\n");
}

TEST_CASE("neither processes nor fds stay behind") {
  const auto count_fds = [] {
    std::size_t count = 0;
    for (int fd = 0; fd < 1000; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  const std::size_t before = count_fds();
  {
    CommandRunner runner(1000);
    CHECK(count_fds() == before);  // no helper process starts before the first command
    for (int i = 0; i < 50; ++i) CHECK(run(runner, "(true &); true").end == End::exited);
  }
  CHECK(count_fds() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
}

TEST_CASE("a command as long as one may be is run, and a longer one refused") {
  CommandRunner runner(1000);
  CHECK(run(runner, "echo done #" + std::string(65000, 'x')).head == "done\n");
  CHECK(runner.start(request(1, std::string(80000, 'x'))).error().code == E2BIG);
}

}  // namespace
}  // namespace nswarden
