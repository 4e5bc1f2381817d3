// SPDX-License-Identifier: Apache-2.0
// A bound netns on the real kernel: globs find keys, and the set of held keys changes (kernel facts 13, 31).
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "policy_words.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::Keys;
using test::read_all;
using Strings = std::vector<std::string>;

Strings find(BoundNetns& netns, const std::vector<std::string>& globs) {
  std::vector<KeyPattern> patterns;
  for (const std::string& glob : globs) patterns.push_back(test::key_pattern(glob));
  std::vector<const KeyPattern*> pointers;
  for (const KeyPattern& pattern : patterns) pointers.push_back(&pattern);
  const auto found = netns.find(pointers);
  if (!found) return {"error " + std::to_string(found.error().code)};
  Strings paths;
  for (const Key& key : *found) paths.push_back(key.path());
  return paths;
}

TEST_CASE("globs stand for the interfaces that are there, in all tiers, whenever they are looked for") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward"});
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const test::TestNetns netns;
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), tier);
    const Strings globs{"net.ipv4.conf.*.rp_filter"};
    CHECK(find(*bound.netns, globs) == Strings{"ipv4/conf/lo/rp_filter"});
    for (int round = 0; round < 2; ++round) {
      test::inside(netns.path(), [] { test::add_bridge("br0"); });
      CHECK(find(*bound.netns, globs) == Strings{"ipv4/conf/br0/rp_filter", "ipv4/conf/lo/rp_filter"});
      CHECK(find(*bound.netns, {"net.ipv4.conf.br*.rp_filte?"}) == Strings{"ipv4/conf/br0/rp_filter"});
      test::inside(netns.path(), [] { test::remove_bridge("br0"); });
      CHECK(find(*bound.netns, globs) == Strings{"ipv4/conf/lo/rp_filter"});
    }
    CHECK(find(*bound.netns, {"net.nosuch.*.x"}).empty());
  }
}

TEST_CASE("keys that are held in place of others are read and written, whatever became of those, in all tiers") {
  LinuxCatalog catalog({test::netns_dir()});
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const test::TestNetns netns;
    auto first = std::make_unique<Keys>(Strings{"net.ipv6.conf.lo.hop_limit", "net.ipv4.ip_forward"});
    const Binding bound = test::bind(catalog, netns.name(), first->key_requests(), tier);
    CHECK(read_all(*bound.netns) == Strings{"64\n", "0\n"});
    test::inside(netns.path(), [] { test::add_bridge("br0"); });
    auto second = std::make_unique<Keys>(
        Strings{"net.ipv4.conf.br0.rp_filter", "net.ipv4.ip_forward", "net.ipv6.conf.br0.hop_limit", "net.ipv4.no_such"});
    REQUIRE(bound.netns->hold(second->key_requests()).ok());
    first.reset();  // the binding must no longer refer to these keys
    CHECK(read_all(*bound.netns) == Strings{"0\n", "0\n", "64\n", "missing"});
    REQUIRE(bound.netns->write(2, "65").ok());
    REQUIRE(bound.netns->write(0, "2").ok());
    CHECK(read_all(*bound.netns) == Strings{"2\n", "0\n", "65\n", "missing"});
    // The interface is replaced by another one of the same name; files held for the old one are dead.
    test::inside(netns.path(), [] {
      test::remove_bridge("br0");
      test::add_bridge("br0");
    });
    const Keys third({"net.ipv4.conf.br0.rp_filter", "net.ipv4.ip_forward"});
    REQUIRE(bound.netns->hold(third.key_requests()).ok());
    second.reset();
    CHECK(read_all(*bound.netns) == Strings{"0\n", "0\n"});
  }
}

}  // namespace
}  // namespace nswarden
