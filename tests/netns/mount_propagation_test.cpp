// SPDX-License-Identifier: Apache-2.0
// Compares each verdict with the actual visibility, inside, of a mount made outside (kernel fact 9).
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <functional>
#include <future>
#include <string>
#include <system_error>
#include <thread>

#include <nswarden/netns/mount_propagation.hpp>
#include <nswarden/os/file.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::TempDir;

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

void set_propagation(const std::string& path, unsigned long how) {
  check(::mount("none", path.c_str(), nullptr, how, nullptr) == 0, "set propagation");
}

struct Verdict {
  OutsideMounts result = OutsideMounts::unknown;
  bool truth = false;
};

/// `enter` moves a thread to the daemon's place; the calling thread acts as process 1. Returns the verdict for `directory`, and
/// whether a mount made there afterwards by the calling thread is visible.
Verdict judge(const std::string& directory, const std::function<void()>& enter) {
  Verdict verdict;
  std::promise<void> entered;
  std::promise<void> mounted;
  std::exception_ptr thrown;
  const std::string outside = "/proc/" + std::to_string(::gettid());
  const std::string name = directory + "/made-outside";
  std::thread inside([&] {
    try {
      enter();
      verdict.result = outside_mounts(directory, outside);
    } catch (...) {
      thrown = std::current_exception();
    }
    entered.set_value();
    mounted.get_future().wait();
    const auto table = read_file("/proc/thread-self/mountinfo", std::size_t{1} << 20);
    verdict.truth = table.ok() && table->find(" " + name + " ") != std::string::npos;
  });
  entered.get_future().wait();
  ::mkdir(directory.c_str(), 0755);
  ::mkdir(name.c_str(), 0755);
  const bool made = ::mount("none", name.c_str(), "tmpfs", 0, nullptr) == 0;
  mounted.set_value();
  inside.join();
  ::umount2(name.c_str(), MNT_DETACH);
  if (thrown) std::rethrow_exception(thrown);
  REQUIRE(made);
  return verdict;
}

void enter_new_namespace() { check(::unshare(CLONE_NEWNS) == 0, "unshare mounts"); }

TEST_CASE("in the mount namespace of process 1 its mounts are seen") {
  const TempDir outside;
  const Verdict verdict = judge(outside / "netns", [] {});
  CHECK(verdict.result == OutsideMounts::visible);
  CHECK(verdict.truth);
}

TEST_CASE("in a mount namespace of our own mounts are seen only where they propagate to us") {
  const TempDir outside;
  const std::string directory = outside / "netns";
  SECTION("a private one sees none") {
    const Verdict verdict = judge(directory, enter_new_namespace);
    CHECK(verdict.result == OutsideMounts::invisible);
    CHECK_FALSE(verdict.truth);
  }
  set_propagation(outside.path(), MS_SHARED);
  SECTION("a private one of what is shared outside sees none") {
    const Verdict verdict = judge(directory, [&] {
      enter_new_namespace();
      set_propagation(outside.path(), MS_PRIVATE);
    });
    CHECK(verdict.result == OutsideMounts::invisible);
    CHECK_FALSE(verdict.truth);
  }
  SECTION("one that is shared with nobody outside sees none") {
    const Verdict verdict = judge(directory, [&] {
      enter_new_namespace();
      set_propagation(outside.path(), MS_PRIVATE);
      set_propagation(outside.path(), MS_SHARED);
    });
    CHECK(verdict.result == OutsideMounts::invisible);
    CHECK_FALSE(verdict.truth);
  }
  SECTION("a slave sees all") {
    const Verdict verdict = judge(directory, [&] {
      enter_new_namespace();
      set_propagation(outside.path(), MS_SLAVE);
    });
    CHECK(verdict.result == OutsideMounts::visible);
    CHECK(verdict.truth);
  }
  SECTION("a peer sees all") {
    const Verdict verdict = judge(directory, enter_new_namespace);
    CHECK(verdict.result == OutsideMounts::visible);
    CHECK(verdict.truth);
  }
}

TEST_CASE("who cannot see process 1 is told nothing of its mounts") {
  const TempDir outside;
  CHECK(outside_mounts(outside.path(), "/proc/nobody") == OutsideMounts::unknown);
}

}  // namespace
}  // namespace nswarden
