// SPDX-License-Identifier: Apache-2.0
// A random world: between any two calls, netns are created, deleted, stacked, aliased and changed, and events are lost, late or
// repeated. After any history, one full sweep of an unchanging world makes every setting compliant.
#include <random>

#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

namespace {

std::string interface_path(std::size_t number) { return "ipv4/conf/eth" + std::to_string(number) + "/rp_filter"; }

std::shared_ptr<const PolicySet> interface_policy() {
  return policies({{"routers", "^qrouter-", {{liberal, "1"}, {loose, "1"}, {"net.ipv4.conf.*.rp_filter", "2"}}}});
}

class Chaos {
 public:
  Chaos(World& world, unsigned seed) : world_(world), random_(seed) {}

  void act() {
    const std::string name = names_[roll(names_.size())];
    switch (roll(9)) {
      case 0:
      case 1: remember(world_.kernel.add(name, router_defaults(), 100 + roll(6))); break;
      case 2: vanish(name); break;
      case 3: world_.kernel.place(name, EntryKind::placeholder); break;
      case 4: alias(name); break;
      case 5: drift(); break;
      case 6: world_.kernel.place(name, EntryKind::other); break;
      case 7: plug_or_unplug(); break;
      default: world_.kernel.fd_limit = roll(3) == 0 ? roll(8) : 1000; break;
    }
    remove_netns();
  }
  std::size_t roll(std::size_t sides) { return random_() % sides; }
  [[nodiscard]] const std::vector<FakeKernel::NetnsPtr>& all() const { return all_; }
  std::string some_name() { return names_[roll(names_.size())]; }

  /// Netns whose interfaces changed since the previous call.
  std::vector<std::uint64_t> take_link_events() { return std::exchange(unplugged_, {}); }

 private:
  void remember(const FakeKernel::NetnsPtr& netns) {
    // Live netns have unique inode numbers: reuse of a number implies that its previous netns died.
    for (const auto& other : all_) {
      if (other != netns && other->inode == netns->inode) kill(other);
    }
    all_.push_back(netns);
  }
  void kill(const FakeKernel::NetnsPtr& netns) {
    std::erase_if(world_.kernel.entries, [&](const auto& entry) { return entry.second.netns == netns; });
    netns->alive = false;
  }
  void vanish(const std::string& name) { world_.kernel.entries.erase({0, name}); }
  void alias(const std::string& name) {
    if (all_.empty() || !all_.back()->alive) return;
    world_.kernel.mount(name, all_.back());
  }
  /// Sometimes queues an event, which may be delivered late.
  void plug_or_unplug() {
    if (all_.empty()) return;
    FakeNetns& netns = *all_[roll(all_.size())];
    const std::string path = interface_path(roll(3));
    if (netns.keys.erase(path) == 0) netns.keys[path].value = "0\n";
    if (roll(2) == 0) unplugged_.push_back(netns.inode);
  }
  void drift() {
    if (all_.empty()) return;
    all_[roll(all_.size())]->keys[loose_path].value = "0\n";
  }
  /// A netns without a name eventually dies.
  void remove_netns() {
    for (const auto& netns : all_) {
      const bool named = std::any_of(world_.kernel.entries.begin(), world_.kernel.entries.end(),
                                     [&](const auto& entry) { return entry.second.netns == netns; });
      if (!named && roll(2) == 0) netns->alive = false;
    }
  }

  World& world_;
  std::minstd_rand random_;
  std::vector<std::string> names_{"qrouter-1", "qrouter-2", "qrouter-3", "dhcp-1", "dhcp-2"};
  std::vector<FakeKernel::NetnsPtr> all_;
  std::vector<std::uint64_t> unplugged_;
};

void search_randomly(World& world, Chaos& chaos) {
  const auto detail = chaos.roll(2) == 0 ? NetnsCatalog::Detail::names : NetnsCatalog::Detail::full;
  switch (chaos.roll(6)) {
    case 5:
      for (const std::uint64_t netns : chaos.take_link_events()) world.reconciler.on_links_changed(netns);
      break;
    case 0: world.reconciler.touch(0, chaos.some_name(), world.now); break;
    case 1: world.reconciler.check_pending(world.now); break;
    case 2: world.reconciler.list(detail, world.now); break;
    case 3: world.reconciler.begin_sweep(); break;
    default: world.reconciler.step(chaos.roll(5) + 1, world.now); break;
  }
}

}  // namespace

TEST_CASE("whatever happened, one full sweep of a world that holds still sets everything right") {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    const bool has_globs = seed % 2 == 0;
    World world(has_globs ? interface_policy() : router_policy(), seed % 3 == 0 ? 3 : 1000);
    Chaos chaos(world, seed);
    world.kernel.before = [&](std::string_view) {
      if (chaos.roll(4) == 0) chaos.act();
    };
    for (int i = 0; i < 60; ++i) {
      chaos.act();
      search_randomly(world, chaos);
      world.now += std::chrono::milliseconds(chaos.roll(3000));
    }
    world.kernel.before = nullptr;
    world.kernel.fd_limit = 1000;
    world.sweep(NetnsCatalog::Detail::full);
    world.sweep(NetnsCatalog::Detail::full);
    CAPTURE(seed);

    std::size_t governed = 0;
    std::size_t interfaces = 0;
    for (const auto& netns : chaos.all()) {
      bool router = false;
      for (const auto& [place, entry] : world.kernel.entries) {
        if (entry.netns == netns) router = router || place.second.starts_with("qrouter-");
      }
      if (router) {
        ++governed;
        CHECK(netns->keys[liberal_path].value == "1\n");
        CHECK(netns->keys[loose_path].value == "1\n");
        for (std::size_t i = 0; i < 3 && has_globs; ++i) {
          const auto found = netns->keys.find(interface_path(i));
          if (found == netns->keys.end()) continue;
          CHECK(found->second.value == "2\n");
          ++interfaces;
        }
      }
      CHECK(netns->bound == (router ? 1 : 0));
    }
    const Totals totals = world.totals();
    CHECK(totals.netns == governed);
    CHECK(totals.settings == 2 * governed + interfaces);
    CHECK(totals.compliant == totals.settings);
    CHECK(world.findings().empty());
    CHECK(world.sweep().empty());
  }
}
