// SPDX-License-Identifier: Apache-2.0
// Compares the forms of values (value.hpp) with the values that the kernel stores for each key of a child netns (kernel fact
// 28).
#include <nswarden/policy/value.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nswarden/os/process.hpp>
#include <nswarden/policy/key_traits.hpp>
#include "catch.hpp"
#include "private_netns.hpp"
#include "survey.hpp"

namespace nswarden {
namespace {

using test::Survey;
using test::survey_here;
using test::survey_of;
using test::words_of;

/// A child can enable this key for the whole host until the next boot (kernel fact 30). The tests never write it, regardless of
/// the table.
const std::string one_way = "netfilter/nf_hooks_lwtunnel";

/// Values to try, all different from the current one.
std::vector<std::string> probes_of(const std::string& value) {
  const std::vector<std::string> words = words_of(value);
  std::set<std::string> all;
  for (const std::string number : {"0", "1", "3", "7", "999", "4294967296"}) {
    std::string same;
    for (std::size_t i = 0; i < words.size(); ++i) same += (i == 0 ? "" : " ") + number;
    all.insert(same);
  }
  for (const long long step : {-1, 1}) {
    std::string next;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) next += words[i] + " ";
    all.insert(next + std::to_string(std::stoll(words.back()) + step));
  }
  all.erase(normalised(value));
  return {all.begin(), all.end()};
}

/// Restores a home value that a test changed by writing the child's key.
class HomeGuard {
 public:
  explicit HomeGuard(const Survey& home) : home_(home) {}
  ~HomeGuard() { put_back(); }
  HomeGuard(const HomeGuard&) = delete;
  HomeGuard& operator=(const HomeGuard&) = delete;

  void watch(const std::string& path) {
    path_ = path;
    const auto found = home_.find(path);
    before_ = found == home_.end() ? std::nullopt : found->second.read();
  }
  /// Whether the value was unchanged.
  bool put_back() {
    const auto found = home_.find(path_);
    if (!before_ || found == home_.end() || found->second.read() == before_) return true;
    (void)found->second.write(normalised(*before_));
    return false;
  }

 private:
  const Survey& home_;
  std::string path_;
  std::optional<std::string> before_;
};

/// These keys store 1 for any value other than 0.
bool is_switch(const std::string& path) { return path.starts_with("bridge/bridge-nf-"); }

struct Probing {
  int accepted = 0;
  bool rounded = false;  ///< the value read differs from the value written
};

/// Writes every probe, and compares the value read with the canonical form by the table.
Probing probe(const std::string& path, const test::SysctlFile& entry, const KeyTraits& traits) {
  const ValueSense sense{traits.form, kernel_tick()};
  const std::string before = entry.read().value_or("");
  Probing result;
  for (const std::string& value : probes_of(before)) {
    if (!entry.write(value)) continue;
    ++result.accepted;
    const std::string now = entry.read().value_or("");
    CAPTURE(path, value, now);
    // The kernel may truncate 2^32, but only where a policy would reject it (kernel fact 28).
    if (value_problem(value, traits) || is_switch(path)) continue;
    CHECK(canonical(value, sense) == normalised(now));
    CHECK(same_value(value, now, sense));
    if (value != normalised(now)) result.rounded = true;
  }
  (void)entry.write(normalised(before));
  return result;
}

TEST_CASE("what is written to a number of a child is read back, rounded where the table says so, and in no other netns") {
  const test::TestNetns netns;
  const test::TestNetns other_netns;
  const Survey child = survey_of(netns);
  const Survey other = survey_of(other_netns);
  const Survey home = survey_here();
  HomeGuard guard(home);
  std::string unwritable;
  int tried = 0;
  int untold = 0;
  for (const auto& [path, entry] : child) {
    const KeyTraits traits = traits_of(path);
    CHECK(traits.global == (path == one_way));
    if (traits.numbers == 0 || !entry.can_write() || traits.write_only || path == one_way) continue;
    CAPTURE(path);
    const auto elsewhere = other.at(path).read();
    guard.watch(path);
    const Probing result = probe(path, entry, traits);
    CHECK(guard.put_back());
    CHECK(other.at(path).read() == elsewhere);
    ++tried;
    if (result.accepted == 0) {
      unwritable += " " + path;
      ++untold;
      continue;
    }
    const bool rounds = traits.form == ValueForm::milliseconds || traits.form == ValueForm::clock_ticks;
    // With a tick of 1 or 10 ms, one of the two forms rounds nothing.
    if (kernel_tick() == std::chrono::milliseconds(4)) CHECK(result.rounded == rounds);
  }
  CHECK(tried > 200);
  INFO("nothing that was tried was accepted by" << unwritable);
  CHECK(untold < 10);
}

TEST_CASE("a write in a child changes no other key of other netns either") {
  const test::TestNetns netns;
  const test::TestNetns other_netns;
  const Survey child = survey_of(netns);
  const Survey other = survey_of(other_netns);
  std::map<std::string, std::optional<std::string>> before;
  for (const auto& [path, entry] : other) before.emplace(path, entry.read());
  for (const auto& [path, entry] : child) {
    const KeyTraits traits = traits_of(path);
    if (traits.numbers != 1 || !entry.can_write() || traits.write_only || path == one_way) continue;
    if (!entry.write(normalised(entry.read().value_or("")) == "1" ? "0" : "1")) (void)entry.write("1000");
  }
  for (const auto& [path, entry] : other) {
    CAPTURE(path);
    CHECK(entry.read() == before.at(path));
  }
}

TEST_CASE("the kernel prints other spellings of ports, masks, addresses and keys as their canonical form") {
  struct Row {
    std::string path;
    std::string written;
  };
  const std::vector<Row> rows{
      {"ipv4/ip_local_reserved_ports", "8080,8081,8082"},
      {"ipv4/ip_local_reserved_ports", "9000,8080-8081,1-10,5-7,11"},
      {"ipv4/ip_local_reserved_ports", "65535,0"},
      {"ipv6/icmp/ratemask", "1,2,5-7"},
      {"ipv4/tcp_fastopen_key", "1-AB-0-ffffffff"},
      {"ipv4/tcp_fastopen_key", "1-2-3-4,5-6-7-8"},
      {"ipv6/conf/default/stable_secret", "2001:DB8::1"},
      {"ipv6/conf/default/stable_secret", "::ffff:192.0.2.1"},
      {"ipv6/conf/default/stable_secret", "1:2:3:4:5:6:7::"},
  };
  const test::TestNetns netns;
  const Survey child = survey_of(netns);
  for (const Row& row : rows) {
    CAPTURE(row.path, row.written);
    const KeyTraits traits = traits_of(row.path);
    REQUIRE(child.count(row.path) == 1);
    CHECK_FALSE(value_problem(row.written, traits));
    REQUIRE(child.at(row.path).write(row.written));
    const std::string now = child.at(row.path).read().value_or("");
    CHECK(canonical(row.written, {traits.form}) + "\n" == now);
  }
  // The number of zeros printed for a mask depends on the machine's processors.
  if (child.count("core/rps_default_mask") == 1) {
    const test::SysctlFile& mask = child.at("core/rps_default_mask");
    REQUIRE(mask.write("00000001"));
    CHECK(same_value("1", mask.read().value_or(""), {ValueForm::mask}));
  }
}

TEST_CASE("values that are refused at load are refused by the kernel too, or stored as others") {
  struct Row {
    std::string path;
    std::string value;
  };
  const std::vector<Row> rows{
      {"ipv4/ip_local_reserved_ports", "8080, 8081"},
      {"ipv4/ip_local_reserved_ports", "9-5"},
      {"ipv4/ip_local_reserved_ports", "65536"},
      {"ipv4/ip_local_reserved_ports", "010"},
      {"ipv4/tcp_fastopen_key", "1-2-3"},
      {"ipv6/conf/default/stable_secret", "1:2:3"},
      {"ipv4/tcp_syncookies", "4294967296"},
      {"ipv4/tcp_rmem", "4096"},
      {"ipv4/icmp_ratelimit", "4294967296"},
      {"ipv4/icmp_ratelimit", "2147483648"},
      {"ipv4/neigh/lo/locktime", "4294967296"},
      {"ipv4/neigh/lo/locktime", "2147483647"},
  };
  const test::TestNetns netns;
  const Survey child = survey_of(netns);
  for (const Row& row : rows) {
    CAPTURE(row.path, row.value);
    const KeyTraits traits = traits_of(row.path);
    CHECK(value_problem(row.value, traits));
    const test::SysctlFile& entry = child.at(row.path);
    if (entry.write(row.value)) {
      CHECK_FALSE(same_value(row.value, entry.read().value_or(""), {traits.form, kernel_tick()}));
    }
  }
}

}  // namespace
}  // namespace nswarden
