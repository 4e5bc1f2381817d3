// SPDX-License-Identifier: Apache-2.0
// Partially written files (kernel fact 35): a truncated file is accepted only if it ends with a whole line, and an accepted
// prefix sets no values that the whole file does not.
#include <nswarden/config/config.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace nswarden;

namespace {

/// Every field, every accepted YAML style, and values whose prefixes are valid values.
const std::string everything = R"(# before the document
version: 1
netns_dirs: [/run/netns, "/var/run/other/"]
reconcile_interval: 10s
command_timeout: 100s
mode: audit
policies:
  - name: plain styles   # a comment behind a value
    netns: ^qrouter-[0-9a-f]{8}
    mode: enforce
    sysctls:
      net.ipv4.tcp_keepalive_time: 7200
      net/ipv4/conf/eth0.100/rp_filter: 2

      # a comment between
      net.ipv4.conf.all.forwarding: 1
      net.ipv4.conf.default.forwarding: 10
      net.ipv6.conf.eth0/200.accept_ra: -1
    commands:
      startup:
        - logger started in $NETNS
        - "echo 'in quotes'"
      events:
        IN_CREATE: [logger created, ip netns exec $NETNS true]
        IN_DELETE:
          - logger deleted
  - name: "quoted \"styles\""
    netns: 'it''s (a|b)'
    sysctls:
      "net.ipv4.tcp_rmem": "4096 87380\t6291456"
      'net.ipv4.tcp_wmem': '4096 16384 4194304'
      net.ipv4.tcp_congestion_control: bbr
      net.ipv4.ip_local_reserved_ports: 8080,9000-9100
  - {name: flow, netns: .*, mode: enforce, sysctls: {net.ipv4.ip_forward: 0, net.ipv4.tcp_rmem: "1 2 3"}}
  - name: folded
    netns: >-
      ^snat-
    sysctls:
      net.ipv4.tcp_fin_timeout: |-
        60
      ? net.netfilter.nf_conntrack_tcp_loose
      : 0
  - name: language
    exclude: [^x, "y"]
    discover: processes
    interfaces: qr-
    restore: true
    sysctl_files: [a.conf, b.d]
    observe:
      - net.netfilter.nf_conntrack_count
      - net.ipv4.conf.*.forwarding
    netns:
      - ^a
      - ^ab
    sysctls:
      net.ipv4.conf.*.rp_filter: {set: 2, one_of: [0, 2]}
      net.ipv4.tcp_fin_timeout:
        set: 30
        optional: true
        note: "a: b"
        between: [10, 60]
      -net.ipv4.conf.lo.rp_filter:
      -net.ipv4.tcp_syncookies: 1
  -
    name: "caf\u00e9"
    netns: x
    sysctls:
        net.ipv4.tcp_fastopen_key: 00000000-00000000-00000000-00000001
...
# after the document
)";

const std::string older = R"(---
- netns_regex: ^qrouter-.*
  daemon_startup_actions:
    - ip netns exec $NETNS sysctl net.ipv4.ip_forward=1
    - ": empty command"
  inotify_actions:
    - IN_CREATE:
        - ip netns exec $NETNS sysctl net.ipv4.ip_forward=1
        - second
      IN_OPEN: []
    - IN_DELETE: [third, "fourth"]
# a comment between
- netns_regex: .*
  inotify_actions: []
  daemon_startup_actions: []
)";

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All settings and commands of a configuration, each with the name of its policy.
std::set<std::string> settings_text(const Config& config) {
  std::set<std::string> texts;
  for (const PolicyConfig& policy : config.policies) {
    for (const Setting& setting : policy.sysctls) {
      texts.insert(policy.name + ": " + policy.netns.at(0).text() + ": " + setting.key.name() + " = " + setting.want.text());
    }
    for (const std::string& command : policy.commands.startup) texts.insert(policy.name + ": " + command);
    for (const auto& on : policy.commands.events) {
      for (const std::string& command : on.commands) texts.insert(policy.name + ": " + on.event + ": " + command);
    }
  }
  return texts;
}

/// Lengths of the accepted prefixes, including the whole text.
std::set<std::size_t> lengths_taken(const std::string& text) {
  const auto parsed = parse_config(text);
  const Config* whole = std::get_if<Config>(&parsed);
  REQUIRE(whole != nullptr);
  const auto texts = settings_text(*whole);
  std::set<std::size_t> taken;
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const auto result = parse_config(std::string_view(text).substr(0, length));
    const Config* config = std::get_if<Config>(&result);
    if (config == nullptr) continue;
    taken.insert(length);
    // FAIL instead of CHECK, which would add thousands of assertions.
    if (text[length - 1] != '\n') FAIL("taken in the middle of a line: the first " << length << " bytes");
    for (const std::string& wish : settings_text(*config)) {
      if (texts.count(wish) == 0) FAIL("the first " << length << " bytes want something else: " << wish);
    }
  }
  return taken;
}

}  // namespace

TEST_CASE("of the shipped configuration a beginning is only taken where a whole setting ends") {
  const std::string text = text_of(NSWARDEN_SOURCE_DIR "/config/nswarden.yaml");
  const std::string first = "net.netfilter.nf_conntrack_tcp_be_liberal: 1\n";
  REQUIRE(text.find(first) != std::string::npos);
  CHECK(lengths_taken(text) == std::set<std::size_t>{text.find(first) + first.size(), text.size()});
}

TEST_CASE("of a file with every field and style a beginning is only taken at the end of a line, and wants nothing else") {
  const std::set<std::size_t> taken = lengths_taken(everything);
  CHECK(taken.count(everything.size()) == 1);
  // Lines with a setting, and blank lines and comments after them; a lower count means that the walk checked nothing.
  CHECK(taken.size() > 20);
}

TEST_CASE("of the older form a beginning is only taken at the end of a line, and runs nothing else") {
  const std::set<std::size_t> taken = lengths_taken(older);
  CHECK(taken.count(older.size()) == 1);
  CHECK(taken.size() > 2);
}

TEST_CASE("a policy that the cut took its sysctls from is refused") {
  for (const char* last : {"    netns: ^qrouter-[0-9a-f]{8}\n", "    mode: enforce\n", "    sysctls:\n"}) {
    CAPTURE(last);
    const std::string cut = everything.substr(0, everything.find(last) + std::string_view(last).size());
    CHECK(std::holds_alternative<std::vector<Problem>>(parse_config(cut)));
  }
}
