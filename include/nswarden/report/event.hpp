// SPDX-License-Identifier: Apache-2.0
// What happened, as the events API tells it: one for each log line about a setting, and for what became of a netns or of the
// configuration. Plain data, immutable once it is in the EventLog.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>

namespace nswarden {

struct Event {
  enum class What : std::uint8_t {
    drift,
    repair,
    failure,  ///< an attempt to repair
    recovery,
    suspend,
    calm,
    contradiction,  ///< with another setting of ours
    netns_governed,
    netns_gone,
    netns_failure,
    reload,
    reload_failure,
  };
  What what = What::drift;
  double time = 0;  ///< Unix time in seconds
  Finding finding;  ///< nothing but `netns` for what became of a netns; empty for a reload
  std::optional<Source> source;
  std::string error;                     ///< bytes
  std::chrono::seconds retry_in{0};      ///< of `suspend`
  std::shared_ptr<const Writer> writer;  ///< null when unknown
};
std::string_view to_string(Event::What what);

/// Newest last.
using Events = std::vector<std::shared_ptr<const Event>>;

}  // namespace nswarden
