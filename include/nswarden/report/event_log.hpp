// SPDX-License-Identifier: Apache-2.0
// The history of events: one for each log line about a setting, and for what became of a netns or of the configuration. The log of them is
// used by the loop thread only; an event in it is immutable, and what newest() gave may be read by any thread.
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
  std::string error;                 ///< bytes
  std::chrono::seconds retry_in{0};  ///< of `suspend`
  KnownWriter writer;
};
std::string_view to_string(Event::What what);

/// Newest last.
using Events = std::vector<std::shared_ptr<const Event>>;

class EventLog {
 public:
  static constexpr std::size_t capacity = 200;

  void add(Event event);
  /// `problems`: one a line, none when the configuration was taken. The first one is kept: the log has all.
  void reloaded(double time, std::string_view problems);

  /// The same until something is added: a snapshot is made far more often than that.
  [[nodiscard]] std::shared_ptr<const Events> newest() const;

 private:
  std::deque<std::shared_ptr<const Event>> events_;
  mutable std::shared_ptr<const Events> newest_;  // null when it has to be made
};

}  // namespace nswarden
