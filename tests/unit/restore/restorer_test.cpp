// SPDX-License-Identifier: Apache-2.0
// A restorer and a reconciler over the fake kernel, with the book in a file.
#include <nswarden/restore/restorer.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <nswarden/os/fd.hpp>
#include "fake_kernel.hpp"

namespace nswarden {
namespace {

using namespace std::chrono_literals;
using test::FakeKernel;

const std::string forward = "ipv4/ip_forward";
const std::string alive = "ipv4/tcp_keepalive_time";

struct Sketch {
  std::string name;
  std::string key;
  std::string want;
  bool restore = true;
  std::string netns = "^r";
};

std::shared_ptr<const PolicySet> policies(const std::vector<Sketch>& sketches) {
  Config config;
  for (const Sketch& sketch : sketches) {
    PolicyConfig policy;
    policy.name = sketch.name;
    policy.netns.push_back(std::get<Pattern>(Pattern::compile(sketch.netns)));
    policy.restore = sketch.restore;
    policy.sysctls.push_back({std::get<KeyPattern>(KeyPattern::parse(sketch.key)), Want::equal(sketch.want), {}});
    config.policies.push_back(std::move(policy));
  }
  return std::make_shared<PolicySet>(config, PolicySet::Audit::as_configured);
}

std::shared_ptr<const PolicySet> keepalive() { return policies({{"routers", "net.ipv4.tcp_keepalive_time", "600"}}); }

std::string new_directory() {
  std::string path = std::filesystem::temp_directory_path() / "nswarden-restorer-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return path;
}

/// The relevant parts of a daemon; `kernel` and the file must outlive it.
struct Site {
  FakeKernel& kernel;
  Fd memory{::memfd_create("log", MFD_CLOEXEC)};
  Log log{memory.get(), LogLevel::debug, LogFormat::logfmt};
  std::shared_ptr<const PolicySet> set;
  Reconciler reconciler;
  Restorer restorer;
  Time now{1h};

  Site(FakeKernel& its_kernel, const std::string& file, std::shared_ptr<const PolicySet> its_policies, bool audit = false)
      : kernel(its_kernel),
        set(std::move(its_policies)),
        reconciler(kernel, set, {1000, !audit}),
        restorer({file, audit}, {kernel, {}, log}) {}

  void forward_reports() {
    for (const Report& report : reconciler.take_reports()) restorer.record_overwritten(report, *set);
  }
  void sweep() {
    reconciler.begin_sweep();
    reconciler.list(NetnsCatalog::Detail::full, now);
    while (reconciler.work()) reconciler.step(64, now);
    forward_reports();
    restorer.find_due(reconciler, now);
    while (restorer.work()) restorer.step(reconciler, now);
    while (reconciler.work()) reconciler.step(64, now);
    forward_reports();
  }
  void reload(std::shared_ptr<const PolicySet> policies) {
    forward_reports();
    set = std::move(policies);
    reconciler.set_policies(set);
    restorer.policies_changed();
    sweep();
  }
  std::string lines() {
    log.flush();
    std::string text(100000, '\0');
    const ssize_t size = ::pread(memory.get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }
};

struct World {
  std::string directory = new_directory();
  std::string file = directory + "/restore";
  FakeKernel kernel;
  FakeKernel::NetnsPtr netns = kernel.add("r1", {{alive, "7200"}, {forward, "0"}});

  World() = default;
  ~World() { std::filesystem::remove_all(directory); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::unique_ptr<Site> start(std::shared_ptr<const PolicySet> set, bool audit = false) {
    return std::make_unique<Site>(kernel, file, std::move(set), audit);
  }
  [[nodiscard]] std::string value(const std::string& path = alive) const { return netns->keys.at(path).value; }
};

}  // namespace

TEST_CASE("a policy that goes away by a reload leaves what it found, and the book is empty then") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  CHECK(world.value() == "600\n");
  CHECK(site->restorer.book().size() == 1);
  site->reload(policies({}));
  CHECK(world.value() == "7200\n");
  CHECK(site->restorer.book().empty());
  CHECK(site->lines().find("sysctl restored") != std::string::npos);
}

TEST_CASE("a value that others changed since stays, and is told") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  world.netns->keys[alive].value = "5\n";
  site->reload(policies({}));
  CHECK(world.value() == "5\n");
  CHECK(site->restorer.book().empty());
  CHECK(site->lines().find("another process has changed it") != std::string::npos);
}

TEST_CASE("what another policy wants is not put back, and only one that restores keeps the entry") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  site->reload(policies({{"other", "net.ipv4.tcp_keepalive_time", "300"}}));
  CHECK(world.value() == "300\n");
  CHECK(site->restorer.book().size() == 1);
  site->reload(policies({{"plain", "net.ipv4.tcp_keepalive_time", "200", false}}));
  CHECK(world.value() == "200\n");
  CHECK(site->restorer.book().empty());
  site->reload(policies({}));
  CHECK(world.value() == "200\n");
}

TEST_CASE("two policies in a row put back what was there before the first one") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  site->reload(policies({{"other", "net.ipv4.tcp_keepalive_time", "300"}}));
  site->reload(policies({}));
  CHECK(world.value() == "7200\n");
}

TEST_CASE("the book outlives the daemon, and a policy that went meanwhile is found to have gone at the start") {
  World world;
  {
    const auto site = world.start(keepalive());
    site->sweep();
    site->restorer.save();
  }
  const auto site = world.start(policies({}));
  CHECK(site->restorer.book().size() == 1);
  site->sweep();
  CHECK(world.value() == "7200\n");
  site->restorer.save();
  CHECK(world.start(policies({}))->restorer.book().size() == 0);
}

TEST_CASE("a daemon that starts with the policy still in force keeps what was found first") {
  World world;
  {
    const auto site = world.start(keepalive());
    site->sweep();
    site->restorer.save();
  }
  const auto site = world.start(keepalive());
  world.netns->keys[alive].value = "5\n";
  site->sweep();
  CHECK(world.value() == "600\n");
  site->reload(policies({}));
  CHECK(world.value() == "7200\n");
}

TEST_CASE("a netns that was made anew under the name is not touched") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  world.kernel.remove("r1");
  const auto successor = world.kernel.add("r1", {{alive, "600"}}, world.netns->inode);
  site->reload(policies({}));
  CHECK(successor->keys[alive].value == "600\n");
  CHECK(site->restorer.book().size() == 1);
  site->now += 11min;
  site->sweep();
  CHECK(site->restorer.book().empty());
}

TEST_CASE("a netns that is renamed out of its policy's reach is put back at a sweep, by its new name") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  world.kernel.entries.clear();
  world.kernel.mount("other", world.netns);
  site->now += 2min;
  site->sweep();
  CHECK(world.value() == "7200\n");
}

TEST_CASE("what globs stand for is not due before they are resolved") {
  World world;
  const std::string eth0 = "ipv4/conf/eth0/rp_filter";
  world.netns->keys[eth0].value = "2\n";
  const auto wanting = policies({{"filters", "net.ipv4.conf.*.rp_filter", "1"}});
  {
    const auto site = world.start(wanting);
    site->sweep();
    CHECK(world.value(eth0) == "1\n");
    site->restorer.save();
  }
  const auto site = world.start(wanting);
  site->sweep();
  site->reload(policies({{"filters", "net.ipv4.conf.*.rp_filter", "1"}, {"more", "net.ipv4.ip_forward", "1"}}));
  CHECK(world.value(eth0) == "1\n");
  CHECK(site->restorer.book().size() == 2);
  site->reload(policies({}));
  CHECK(world.value(eth0) == "2\n");
  CHECK(world.value(forward) == "0\n");
}

TEST_CASE("a policy without restore is nothing to this") {
  World world;
  const auto site = world.start(policies({{"plain", "net.ipv4.tcp_keepalive_time", "600", false}}));
  site->sweep();
  site->reload(policies({}));
  CHECK(world.value() == "600\n");
  site->restorer.save();
  CHECK_FALSE(std::filesystem::exists(world.file));
  CHECK(std::filesystem::is_empty(world.directory));
}

TEST_CASE("with --audit nothing is put back and the book stays as it is") {
  World world;
  {
    const auto site = world.start(keepalive());
    site->sweep();
    site->restorer.save();
  }
  const auto site = world.start(policies({}), true);
  site->sweep();
  CHECK(world.value() == "600\n");
  site->restorer.save();
  CHECK(world.start(policies({}))->restorer.book().size() == 1);
}

TEST_CASE("what cannot be written now is told once and tried again at a later sweep") {
  World world;
  const auto site = world.start(keepalive());
  site->sweep();
  world.netns->keys[alive].write_error = EROFS;
  site->reload(policies({}));
  site->now += 2min;
  site->sweep();
  CHECK(world.value() == "600\n");
  CHECK(site->restorer.book().size() == 1);
  const std::string lines = site->lines();
  const auto first = lines.find("sysctl not restored");
  REQUIRE(first != std::string::npos);
  CHECK(lines.find("sysctl not restored", first + 1) == std::string::npos);
  world.netns->keys[alive].write_error = 0;
  site->now += 2min;
  site->sweep();
  CHECK(world.value() == "7200\n");
}

TEST_CASE("the book is saved soon after a change and not more than once a second") {
  World world;
  const auto site = world.start(keepalive());
  CHECK_FALSE(site->restorer.next_due());
  site->sweep();
  site->now = std::chrono::steady_clock::now();
  REQUIRE(site->restorer.next_due());
  CHECK(*site->restorer.next_due() <= site->now);
  site->restorer.save_if_due(site->now);
  CHECK(std::filesystem::exists(world.file));
  CHECK_FALSE(site->restorer.next_due());
  site->reload(policies({}));
  REQUIRE(site->restorer.next_due());
  CHECK(*site->restorer.next_due() >= site->now + 1s);
}

TEST_CASE("a damaged book is moved aside, told in one line, and nothing of it is trusted") {
  World world;
  {
    const auto site = world.start(keepalive());
    site->sweep();
    site->restorer.save();
  }
  {
    std::fstream file(world.file, std::ios::in | std::ios::out);
    file.seekp(60);
    file.put('~');
  }
  const auto site = world.start(policies({}));
  CHECK(site->restorer.book().empty());
  CHECK(std::filesystem::exists(world.file + ".damaged"));
  CHECK_FALSE(std::filesystem::exists(world.file));
  const std::string lines = site->lines();
  CHECK(lines.find("changes by earlier runs are not restored") != std::string::npos);
  CHECK(lines.find('\n') + 1 == lines.size());
  site->sweep();
  CHECK(world.value() == "600\n");
}

TEST_CASE("a book that others may write is not trusted") {
  World world;
  {
    const auto site = world.start(keepalive());
    site->sweep();
    site->restorer.save();
  }
  std::filesystem::permissions(world.file, std::filesystem::perms::others_write, std::filesystem::perm_options::add);
  const auto site = world.start(policies({}));
  CHECK(site->restorer.book().empty());
  CHECK(site->lines().find("writable by all users") != std::string::npos);
}

TEST_CASE("where the book cannot be saved, that is told once, and restoring works all the same") {
  World world;
  world.file = world.directory + "/absent/restore";
  const auto site = world.start(keepalive());
  site->sweep();
  site->restorer.save();
  site->restorer.save();
  const std::string lines = site->lines();
  const auto first = lines.find("cannot save the restore book");
  REQUIRE(first != std::string::npos);
  CHECK(lines.find("cannot save the restore book", first + 1) == std::string::npos);
  site->reload(policies({}));
  CHECK(world.value() == "7200\n");
}

}  // namespace nswarden
