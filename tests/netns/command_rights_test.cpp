// SPDX-License-Identifier: Apache-2.0
// Privileges of commands on the real kernel: none that require a capability, unless the commands are configured to keep the
// daemon's.
#include "commands/command_runner.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "private_netns.hpp"
#include "stretched.hpp"

namespace nswarden {
namespace {

using namespace std::chrono_literals;
using test::Keep;

const std::string no_capabilities = "0000000000000000";
/// CAP_NET_ADMIN is 12, CAP_SYS_ADMIN 21.
const std::string both_capabilities = "0000000000201000";

CommandResult run(CommandCapabilities capabilities, const std::string& command) {
  CommandRunner runner(1000);
  std::vector<CommandResult> results;
  const bool started = runner.start({1, command, {}, test::stretched(15s), capabilities}).ok();
  const bool ended = started && test::eventually(
                                    [&] {
                                      std::array polled{pollfd{runner.results_fd(), POLLIN, 0}};
                                      ::poll(polled.data(), polled.size(), 100);
                                      results = runner.read();
                                      return !results.empty();
                                    },
                                    20s);
  REQUIRE(ended);
  return results.front();
}

std::string output(CommandCapabilities capabilities, const std::string& command) { return run(capabilities, command).head; }

/// The field `name`, such as CapEff, of the text of /proc/PID/status.
std::string line_of(const std::string& status, const std::string& name) {
  const std::size_t at = status.find(name + ":\t");
  if (at == std::string::npos) return "no " + name + " in: " + status;
  const std::size_t begin = at + name.size() + 2;
  return status.substr(begin, status.find('\n', begin) - begin);
}

void check_no_capabilities(const std::string& status) {
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    CAPTURE(set, status);
    CHECK(line_of(status, set) == no_capabilities);
  }
  CHECK(line_of(status, "NoNewPrivs") == "1");
}

/// Copies of grep that give any user all of root's privileges (setuid) or CAP_NET_ADMIN (file capability).
struct PrivilegedPrograms {
  test::TempDir dir;
  std::string setuid = dir / "setuid";
  std::string with_capability = dir / "with-capability";

  PrivilegedPrograms() {
    std::filesystem::permissions(dir.path(), std::filesystem::perms{0755});
    for (const std::string& path : {setuid, with_capability}) std::filesystem::copy_file("/bin/grep", path);
    REQUIRE(::chmod(setuid.c_str(), 04755) == 0);
    // struct vfs_ns_cap_data of capabilities(7), version 2, effective; permitted, inheritable, and their upper halves.
    const std::array<std::uint32_t, 5> capability{0x02000001, 1U << 12, 0, 0, 0};
    REQUIRE(::setxattr(with_capability.c_str(), "security.capability", capability.data(), sizeof capability, 0) == 0);
  }
};

const std::string status_file = " -e Cap -e NoNewPrivs -e Uid /proc/self/status";

TEST_CASE("a command of root has no capability, and gets none from what it executes") {
  const PrivilegedPrograms programs;
  for (const std::string& program : {std::string("grep"), programs.setuid}) {
    CAPTURE(program);
    const std::string status = output(CommandCapabilities::none, program + status_file);
    check_no_capabilities(status);
    CHECK(line_of(status, "CapBnd") == no_capabilities);
  }
  // The kernel refuses to execute a file whose capability is outside the bounding set (kernel fact 61).
  CHECK(output(CommandCapabilities::none, programs.with_capability + " --version").find("not permitted") != std::string::npos);
}

TEST_CASE("a command of another user has no capability either, and stays that user whatever it executes") {
  const PrivilegedPrograms programs;
  test::as_nobody(Keep::net_admin, [&] {
    for (const std::string& program : {std::string("grep"), programs.setuid, programs.with_capability}) {
      CAPTURE(program);
      const std::string status = output(CommandCapabilities::none, program + status_file);
      check_no_capabilities(status);
      CHECK(line_of(status, "Uid") == "65534\t65534\t65534\t65534");
    }
    // Control: a command that may gain privileges does get them from these files.
    const auto effective = [](const std::string& program) {
      return line_of(output(CommandCapabilities::daemon, program + status_file), "CapEff");
    };
    CHECK(line_of(output(CommandCapabilities::daemon, programs.setuid + status_file), "Uid") == "65534\t0\t0\t0");
    CHECK(effective(programs.with_capability) == "0000000000001000");
  });
}

TEST_CASE("with the daemon's capabilities a command has those, of root and of another user with an empty ambient set") {
  const std::string of_root = output(CommandCapabilities::daemon, "grep" + status_file);
  const std::string same = output(CommandCapabilities::daemon, "grep -e CapEff /proc/$PPID/status");
  CHECK(line_of(of_root, "CapEff") == line_of(same, "CapEff"));
  CHECK(line_of(of_root, "CapEff") != no_capabilities);
  CHECK(line_of(of_root, "CapAmb") == no_capabilities);
  CHECK(line_of(of_root, "NoNewPrivs") == "0");
  test::as_nobody(Keep::net_admin, [] {
    const std::string status = output(CommandCapabilities::daemon, "grep" + status_file);
    CHECK(line_of(status, "CapEff") == both_capabilities);
    CHECK(line_of(status, "CapAmb") == both_capabilities);
    CHECK(line_of(status, "Uid") == "65534\t65534\t65534\t65534");
  });
  test::as_nobody(Keep::nothing, [] {
    CHECK(line_of(output(CommandCapabilities::daemon, "grep" + status_file), "CapEff") == no_capabilities);
  });
}

TEST_CASE("who watches over a command without capabilities has none either, and is closed to it") {
  for (const auto& as_user : {std::function<void(const std::function<void()>&)>([](const auto& action) { action(); }),
                              std::function<void(const std::function<void()>&)>(
                                  [](const auto& action) { test::as_nobody(Keep::net_admin, action); })}) {
    as_user([] {
      REQUIRE(::prctl(PR_SET_DUMPABLE, 1) == 0);  // as at daemon start, regardless of the state of this process
      check_no_capabilities(output(CommandCapabilities::none, "grep -e Cap -e NoNewPrivs /proc/$PPID/status"));
      // Checks the watching process and the server above it.
      const std::string command =
          "server=$(sed -n 's/^PPid:.//p' /proc/$PPID/status); "
          "for pid in $PPID $server; do (: <>/proc/$pid/mem) 2>/dev/null && echo open; done; (: <>/proc/self/mem) && echo own";
      CHECK(output(CommandCapabilities::none, command) == "own\n");
    });
  }
}

TEST_CASE("at its time limit a command without capabilities is ended like any other") {
  test::as_nobody(Keep::net_admin, [] {
    CommandRunner runner(1000);
    REQUIRE(runner.start({1, "setsid sleep 100 & sleep 100", {}, test::stretched(200ms), CommandCapabilities::none}).ok());
    std::vector<CommandResult> results;
    REQUIRE(test::eventually(
        [&] {
          results = runner.read();
          return !results.empty();
        },
        20s));
    CHECK(results[0].end == CommandResult::End::timed_out);
  });
}

/// Runs `action` in a thread, and its children, with system calls of this number failing with EPERM.
void with_forbidden_call(int number, const std::function<void()>& action) {
  test::inside("/proc/thread-self/ns/net", [&] {
    std::array filter{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, nr))),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    REQUIRE(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    action();
  });
}

TEST_CASE("a command whose capabilities cannot be set is not run, and the error is told") {
  const test::TempDir dir;
  const std::string mark = dir / "ran";
  for (const int number : {SYS_capset, SYS_prctl}) {
    with_forbidden_call(number, [&] {
      const CommandResult result = run(CommandCapabilities::none, "touch " + mark);
      CHECK(result.end == CommandResult::End::not_allowed);
      CHECK(result.code == EPERM);
    });
  }
  std::filesystem::permissions(dir.path(), std::filesystem::perms{0777});
  with_forbidden_call(SYS_capset, [&] {
    // Root's shell has the capabilities without that call.
    CHECK(run(CommandCapabilities::daemon, "true").code == 0);
  });
  CHECK_FALSE(std::filesystem::exists(mark));
}

}  // namespace
}  // namespace nswarden
