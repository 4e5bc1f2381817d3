// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/event_log.hpp>

#include <array>
#include <utility>

namespace nswarden {

std::string_view to_string(Event::Kind kind) {
  constexpr std::array<std::string_view, 12> names{"drift",      "repair",        "failure",       "recovery",
                                                   "suspend",    "calm",          "contradiction", "netns_governed",
                                                   "netns_gone", "netns_failure", "reload",        "reload_failure"};
  return names.at(static_cast<std::size_t>(kind));
}

void EventLog::add(Event event) {
  newest_.reset();
  events_.push_back(std::make_shared<const Event>(std::move(event)));
  if (events_.size() > capacity) events_.pop_front();
}

void EventLog::reloaded(double time, std::string_view problems) {
  Event event;
  event.kind = problems.empty() ? Event::Kind::reload : Event::Kind::reload_failure;
  event.time = time;
  event.error = problems.substr(0, problems.find('\n'));
  add(std::move(event));
}

std::shared_ptr<const Events> EventLog::newest() const {
  if (!newest_) newest_ = std::make_shared<const Events>(events_.begin(), events_.end());
  return newest_;
}

}  // namespace nswarden
