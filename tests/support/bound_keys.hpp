// SPDX-License-Identifier: Apache-2.0
// Keys to bind, from their names.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/policy/key.hpp>
#include "catch.hpp"

namespace nswarden::test {

using Wish = core::NetnsCatalog::Wish;

inline constexpr std::array all_tiers{core::Tier::held, core::Tier::directories, core::Tier::transient};

/// Outlives what is bound with it.
class Keys {
 public:
  explicit Keys(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      auto parsed = core::Key::parse(name);
      REQUIRE(std::holds_alternative<core::Key>(parsed));
      keys_.push_back(std::get<core::Key>(std::move(parsed)));
    }
    for (const core::Key& key : keys_) wishes_.push_back({&key, true});
  }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  Keys& read_only() {
    for (Wish& wish : wishes_) wish.writable = false;
    return *this;
  }
  [[nodiscard]] std::span<const Wish> wishes() const { return wishes_; }

 private:
  std::vector<core::Key> keys_;
  std::vector<Wish> wishes_;
};

/// In the first directory; it must succeed.
inline core::Binding bind(core::NetnsCatalog& catalog, const std::string& name, std::span<const Wish> wishes, core::Tier tier) {
  core::BindResult result = catalog.bind(0, name, wishes, tier);
  REQUIRE(std::holds_alternative<core::Binding>(result));
  return std::get<core::Binding>(std::move(result));
}

/// 0 when it went well.
template <class T>
int error_of(const core::Result<T>& result) {
  return result ? 0 : result.error().code;
}

/// A reading as one can see it in a failed test: "1\n", or "missing", "vanished", "unreadable 13".
inline std::string shown(const core::Reading& reading) {
  switch (reading.status) {
    case core::Reading::Status::value: return std::string(reading.bytes);
    case core::Reading::Status::missing: return "missing";
    case core::Reading::Status::vanished: return "vanished";
    case core::Reading::Status::unreadable: return "unreadable " + std::to_string(reading.error);
  }
  return "?";
}

/// Of all keys; {"error N"} when the whole read failed.
inline std::vector<std::string> read_all(core::BoundNetns& netns) {
  const auto readings = netns.read();
  if (!readings) return {"error " + std::to_string(readings.error().code)};
  std::vector<std::string> all;
  for (const core::Reading& reading : *readings) all.push_back(shown(reading));
  return all;
}

}  // namespace nswarden::test
