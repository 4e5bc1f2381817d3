// SPDX-License-Identifier: Apache-2.0
#include "web/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr double last_moment = 253402300799;  // end of the year 9999

}  // namespace

Html& Html::printable_text(std::string_view printable) {
  for (const char c : printable) {
    switch (c) {
      case '&': out_ += "&amp;"; break;
      case '<': out_ += "&lt;"; break;
      case '>': out_ += "&gt;"; break;
      case '"': out_ += "&quot;"; break;
      case '\'': out_ += "&#39;"; break;
      default: out_ += c;
    }
  }
  return *this;
}

Html& Html::text(std::string_view bytes) { return printable_text(printable(bytes)); }

Html& Html::number(std::size_t count) {
  out_ += std::to_string(count);
  return *this;
}

Html& Html::counted(std::size_t count, std::string_view noun) {
  return number(count).raw(" ").printable_text(noun).printable_text(count == 1 ? "" : "s");
}

Html& Html::key(std::string_view dotted) {
  while (!dotted.empty()) {
    const std::size_t end = std::min(dotted.find('.'), dotted.size() - 1) + 1;
    text(dotted.substr(0, end));
    dotted.remove_prefix(end);
    if (!dotted.empty()) raw("<wbr>");
  }
  return *this;
}

Html& Html::add(Html&& other) {
  out_ += other.out_;
  return *this;
}

Html& Html::clock(double unix_seconds, std::size_t digits) {
  const std::string utc = utc_text(unix_seconds);
  const std::string_view all = utc;
  raw("<time datetime=\"").printable_text(all).raw("\"><span class=\"day\">").printable_text(all.substr(0, 10)).raw("</span> ");
  return raw("<span>").printable_text(all.substr(11, digits)).raw("</span></time>");
}

Html& Html::moment(double unix_seconds) { return clock(unix_seconds, std::string_view("14:30:25.123").size()); }

Html& Html::second(double unix_seconds) { return clock(unix_seconds, std::string_view("14:30:25").size()); }

Html& Html::second_and_age(double unix_seconds, double now) {
  return second(unix_seconds).raw(" <span class=\"age\">").printable_text(age_text(now - unix_seconds)).raw(" ago</span>");
}

std::string utc_text(double unix_seconds) {
  using std::chrono::days;
  const double bounded = std::isnan(unix_seconds) ? 0 : std::clamp(unix_seconds, 0.0, last_moment);
  const std::chrono::sys_time<std::chrono::milliseconds> moment{
      std::chrono::milliseconds{static_cast<std::int64_t>(std::floor(bounded * 1000))}};
  const auto day = std::chrono::floor<days>(moment);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{moment - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

std::string age_text(double seconds) {
  const double bounded = std::isnan(seconds) ? 0 : std::clamp(seconds, 0.0, last_moment);
  const auto whole = static_cast<std::int64_t>(bounded);
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  if (whole < minute) return fmt::format("{} s", whole);
  if (whole < hour) return fmt::format("{} min", whole / minute);
  if (whole < day) return fmt::format("{} h {} min", whole / hour, whole % hour / minute);
  return fmt::format("{} d {} h", whole / day, whole % day / hour);
}

}  // namespace nswarden
