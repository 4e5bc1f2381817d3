// SPDX-License-Identifier: Apache-2.0
// Binds keys by name, in a netns of the real kernel.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/policy/key.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

inline constexpr std::array all_tiers{Tier::held, Tier::directories, Tier::transient};

/// Must outlive every binding of its keys.
class Keys {
 public:
  explicit Keys(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      auto parsed = Key::parse(name);
      REQUIRE(std::holds_alternative<Key>(parsed));
      keys_.push_back(std::get<Key>(std::move(parsed)));
    }
    for (const Key& key : keys_) key_requests_.push_back({&key, true});
  }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  Keys& read_only() {
    for (KeyRequest& request : key_requests_) request.writable = false;
    return *this;
  }
  [[nodiscard]] std::span<const KeyRequest> key_requests() const { return key_requests_; }

 private:
  std::vector<Key> keys_;
  std::vector<KeyRequest> key_requests_;
};

/// Requires that binding succeeds.
inline Binding bind(NetnsCatalog& catalog, const std::string& name, std::span<const KeyRequest> key_requests, Tier tier,
                    std::uint16_t source = 0) {
  BindResult result = catalog.bind(source, name, key_requests, tier);
  REQUIRE(std::holds_alternative<Binding>(result));
  return std::get<Binding>(std::move(result));
}

/// Requires that binding fails; returns the reason.
inline Refusal refusal_of(NetnsCatalog& catalog, const std::string& name, std::uint16_t source = 0) {
  const BindResult result = catalog.bind(source, name, {}, Tier::held);
  REQUIRE(std::holds_alternative<Refusal>(result));
  return std::get<Refusal>(result);
}

/// A fresh netns in /run/netns, with keys to bind there.
struct NetnsWithKeys {
  explicit NetnsWithKeys(const std::vector<std::string>& names) : keys(names) {}

  Binding bind(Tier tier) { return test::bind(catalog, netns.name(), keys.key_requests(), tier); }
  /// Runs `check(Binding&, Tier)` with the keys bound, once per tier.
  template <class Check>
  void in_each_tier(const Check& check) {
    for (const Tier tier : all_tiers) {
      CAPTURE(static_cast<int>(tier));
      Binding bound = bind(tier);
      check(bound, tier);
    }
  }

  LinuxCatalog catalog{{netns_dir()}};
  TestNetns netns;
  Keys keys;
};

/// 0 for success.
template <class T>
int error_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

/// A reading in readable form for failure messages: "1\n", "missing", "vanished", "unreadable 13".
inline std::string shown(const Reading& reading) {
  switch (reading.status) {
    case Reading::Status::value: return std::string(reading.bytes);
    case Reading::Status::missing: return "missing";
    case Reading::Status::vanished: return "vanished";
    case Reading::Status::unreadable: return "unreadable " + std::to_string(reading.error);
  }
  return "?";
}

/// The readings of all keys; {"error N"} if the read as a whole failed.
inline std::vector<std::string> read_all(BoundNetns& netns) {
  const auto readings = netns.read();
  if (!readings) return {"error " + std::to_string(readings.error().code)};
  std::vector<std::string> all;
  for (const Reading& reading : *readings) all.push_back(shown(reading));
  return all;
}

}  // namespace nswarden::test
