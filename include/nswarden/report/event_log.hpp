// SPDX-License-Identifier: Apache-2.0
// The history of events: one per log line about a setting, and one per change of a netns or of the configuration. Only the loop
// thread uses the EventLog. Events are immutable, and any thread may read the result of newest().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>

namespace nswarden {

using KnownWriter = std::shared_ptr<const Writer>;  ///< null when unknown

/// An entry of the history.
struct Event {
  enum class Kind : std::uint8_t {
    drift,
    repair,
    failure,  ///< of a repair attempt
    recovery,
    suspend,
    calm,
    contradiction,  ///< with another setting of the policies
    netns_governed,
    netns_gone,
    netns_failure,
    reload,
    reload_failure,
  };
  Kind kind = Kind::drift;
  double time = 0;  ///< Unix time in seconds
  Finding finding;  ///< only `netns` for a netns event; empty for a reload
  std::optional<Source> source;
  std::string error;                 ///< bytes
  std::chrono::seconds retry_in{0};  ///< for `suspend`
  KnownWriter writer;
};
std::string_view to_string(Event::Kind kind);

/// Newest last.
using Events = std::vector<std::shared_ptr<const Event>>;

class EventLog {
 public:
  static constexpr std::size_t capacity = 200;

  void add(Event event);
  /// `problems`: one per line; empty when the configuration was accepted. Keeps the first one; the log has all.
  void reloaded(double time, std::string_view problems);

  /// Shared until the next event: snapshots are far more frequent than events.
  [[nodiscard]] std::shared_ptr<const Events> newest() const;

 private:
  std::deque<std::shared_ptr<const Event>> events_;
  mutable std::shared_ptr<const Events> newest_;  // null when outdated
};

}  // namespace nswarden
