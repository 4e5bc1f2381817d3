// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/event_log.hpp>

#include <utility>

namespace nswarden {

std::string_view to_string(Event::What what) {
  switch (what) {
    case Event::What::drift: return "drift";
    case Event::What::repair: return "repair";
    case Event::What::failure: return "failure";
    case Event::What::recovery: return "recovery";
    case Event::What::suspend: return "suspend";
    case Event::What::calm: return "calm";
    case Event::What::contradiction: return "contradiction";
    case Event::What::netns_governed: return "netns_governed";
    case Event::What::netns_gone: return "netns_gone";
    case Event::What::netns_failure: return "netns_failure";
    case Event::What::reload: return "reload";
    case Event::What::reload_failure: return "reload_failure";
  }
  return "";
}

void EventLog::add(Event event) {
  newest_.reset();
  events_.push_back(std::make_shared<const Event>(std::move(event)));
  if (events_.size() > capacity) events_.pop_front();
}

void EventLog::reloaded(double time, std::string_view problems) {
  Event event;
  event.what = problems.empty() ? Event::What::reload : Event::What::reload_failure;
  event.time = time;
  event.error = problems.substr(0, problems.find('\n'));
  add(std::move(event));
}

std::shared_ptr<const Events> EventLog::newest() const {
  if (!newest_) newest_ = std::make_shared<const Events>(events_.begin(), events_.end());
  return newest_;
}

}  // namespace nswarden
