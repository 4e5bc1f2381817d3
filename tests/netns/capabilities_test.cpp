// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/capabilities.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/file.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

/// The field `name`, such as CapEff, of the text of /proc/PID/status.
std::string field(const std::string& status, const std::string& name) {
  const std::size_t at = status.find("\n" + name + ":\t");
  if (at == std::string::npos) return "no " + name;
  const std::size_t begin = at + name.size() + 3;
  return status.substr(begin, status.find('\n', begin) - begin);
}

bool has_no_capabilities(const std::string& status) {
  const std::string none = "0000000000000000";
  const auto is_empty = [&](const char* set) { return field(status, set) == none; };
  return is_empty("CapInh") && is_empty("CapPrm") && is_empty("CapEff") && is_empty("CapAmb") &&
         field(status, "NoNewPrivs") == "1";
}

std::string own_status() { return *read_file("/proc/thread-self/status", 65536); }

TEST_CASE("a thread that has dropped all capabilities has none, gains none by executing as root, and leaves those of others") {
  const test::TempDir dir;
  const std::string copy = dir / "status";
  std::string during;
  bool dropped = false;
  std::thread([&] {
    dropped = drop_all_capabilities().ok();
    during = own_status();
    // Capabilities of an executed program. Executing as root would otherwise restore all of them.
    (void)std::system(("cat /proc/self/status >" + copy).c_str());
  }).join();
  CHECK(dropped);
  CHECK(has_no_capabilities(during));
  const auto executed = read_file(copy, 65536);
  REQUIRE(executed.ok());
  CHECK(has_no_capabilities(*executed));
  CHECK_FALSE(has_no_capabilities(own_status()));
}

TEST_CASE("capabilities that are put aside do not count, and count again afterwards") {
  const test::TempDir dir;
  const std::string path = dir / "of-somebody-else";
  REQUIRE(Fd(::open(path.c_str(), O_CREAT | O_CLOEXEC, 0600)).get() >= 0);
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  const auto readable = [&path] { return read_file(path, 10).ok(); };
  REQUIRE(readable());
  {
    const CapabilitiesDisabled aside;
    CHECK_FALSE(readable());
    const CapabilitiesDisabled twice;
  }
  CHECK(readable());
}

}  // namespace
}  // namespace nswarden
