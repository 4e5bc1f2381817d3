// SPDX-License-Identifier: Apache-2.0
// The last events, for the events API. Loop thread only; what newest() gave may be read by any.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

#include <nswarden/report/event.hpp>

namespace nswarden {

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
