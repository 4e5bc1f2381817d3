// SPDX-License-Identifier: Apache-2.0
// Parsing a printed configuration gives the original.
#include <nswarden/config/config_text.hpp>

#include <set>
#include <string>

#include "catch.hpp"
#include "config_words.hpp"
#include "random_config.hpp"

using namespace nswarden;
using test::config_of;

TEST_CASE("any configuration is printed as text that is read as the same configuration, and printed as the same text") {
  std::set<Want::Kind> kinds;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    const Config made = RandomConfig(seed).make();
    const std::string text = print_config(made);
    const Config read = config_of(text);
    // FAIL instead of CHECK, which would add thousands of assertions.
    if (!same_config(made, read)) FAIL("seed " << seed << " is read as another one:\n" << text << "\n" << print_config(read));
    if (print_config(read) != text) FAIL("seed " << seed << " is printed as another text:\n" << text);
    for (const PolicyConfig& policy : made.policies) {
      for (const Setting& setting : policy.sysctls) kinds.insert(setting.want.kind());
    }
  }
  CHECK(kinds.size() == 7);
}

TEST_CASE("a configuration with one thing changed is not the same") {
  const std::string text =
      "version: 1\ninclude: a\nnetns_dirs: [/a]\nreconcile_interval: 1s\ncommand_timeout: 1s\nrepair_budget: 3\n"
      "repair_window: 3s\nfollow_links: false\npolicies:\n- {name: p, netns: x, exclude: y, interfaces: z, mode: enforce,\n"
      "   host: false, allow_global: false, restore: false, sysctl_files: f, observe: [net.ipv4.o],\n"
      "   sysctls: {net.ipv4.conf.*.k: {min: 1, set: 2, note: n, optional: false, mode: enforce}, -net.ipv4.e: },\n"
      "   commands: {capabilities: daemon, startup: [c], events: {IN_CREATE: [d]}}}\n";
  const Config whole = config_of(text);
  CHECK(same_config(whole, config_of(text)));
  using Change = std::pair<std::string_view, std::string_view>;
  for (const auto& [before, after] : std::initializer_list<Change>{{"include: a", "include: b"},
                                                                   {"[/a]", "[/b]"},
                                                                   {"interval: 1s", "interval: 2s"},
                                                                   {"timeout: 1s", "timeout: 2s"},
                                                                   {"budget: 3", "budget: 4"},
                                                                   {"window: 3s", "window: 4s"},
                                                                   {"links: false", "links: true"},
                                                                   {"name: p", "name: q"},
                                                                   {"netns: x", "netns: y"},
                                                                   {"exclude: y", "exclude: x"},
                                                                   {"interfaces: z", "interfaces: y"},
                                                                   {"mode: enforce,\n", "mode: audit,\n"},
                                                                   {"host: false", "host: true"},
                                                                   {"global: false", "global: true"},
                                                                   {"restore: false", "restore: true"},
                                                                   {"files: f", "files: g"},
                                                                   {"net.ipv4.o", "net.ipv4.q"},
                                                                   {"*.k", "*.j"},
                                                                   {"min: 1", "min: 0"},
                                                                   {"min: 1", "not: 1"},
                                                                   {"set: 2", "set: 3"},
                                                                   {"note: n", "note: m"},
                                                                   {"optional: false", "optional: true"},
                                                                   {"mode: enforce}", "mode: audit}"},
                                                                   {"-net.ipv4.e", "-net.ipv4.f"},
                                                                   {"capabilities: daemon", "capabilities: none"},
                                                                   {"startup: [c]", "startup: [d]"},
                                                                   {"IN_CREATE", "IN_DELETE"},
                                                                   {"[d]", "[e]"}}) {
    CAPTURE(before, after);
    std::string changed = text;
    changed.replace(changed.find(before), before.size(), after);
    CHECK_FALSE(same_config(whole, config_of(changed)));
  }
}

TEST_CASE("what is printed reads well") {
  CHECK(print_config(config_of("version: 1\npolicies: []\n")) == "version: 1\npolicies: []\n");
  const std::string text = R"(version: 1
include:
  - a.yaml
  - "b #.d"
netns_dirs:
  - /run/netns
reconcile_interval: 10s
policies:
  - name: routers
    netns: ^qrouter-
    exclude:
      - "qrouter-o|d"
      - x
    interfaces: qr-
    mode: audit
    restore: true
    sysctl_files: /etc/nswarden/sysctl.d
    observe:
      - net.netfilter.nf_conntrack_count
    sysctls:
      net.ipv4.ip_forward: 1
      -net.ipv4.tcp_rmem: "4096 87380 6291456"
      net.ipv4.conf.*.rp_filter:
        one_of: [0, 2]
        set: 2
        optional: true
        note: "loose: 2"
      -net.ipv4.conf.lo.rp_filter:
    commands:
      capabilities: daemon
      startup:
        - "echo \"a\"\nb"
      events:
        IN_CREATE: []
  - name: nothing
    host: true
    commands: {}
)";
  CHECK(print_config(config_of(text)) == text);
}
