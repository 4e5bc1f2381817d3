// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/log.hpp>

#include <fmt/format.h>

#include <array>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

std::string_view to_string(LogLevel level) {
  constexpr std::array<std::string_view, 4> names{"debug", "info", "warn", "error"};
  return names.at(static_cast<std::size_t>(level));
}

std::string now_in_utc() {
  using namespace std::chrono;
  const auto time = system_clock::now();
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time - day)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

// The logfmt of Go's log packages, so that parsers of Prometheus logs work.
std::string logfmt_value(std::string_view bytes) {
  std::string text = printable(bytes);
  if (!text.empty() && text.find_first_of(" =\"") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string json_string(std::string_view bytes) { return nlohmann::json(printable(bytes)).dump(); }

std::string format_line(LogFormat format, LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (format == LogFormat::json) {
    std::string line =
        fmt::format(R"({{"ts":"{}","level":"{}","msg":{})", now_in_utc(), to_string(level), json_string(message));
    for (const LogField& field : fields) line += fmt::format(",{}:{}", json_string(field.name), json_string(field.value));
    return line + "}\n";
  }
  std::string line = fmt::format("ts={} level={} msg={}", now_in_utc(), to_string(level), logfmt_value(message));
  for (const LogField& field : fields) line += fmt::format(" {}={}", field.name, logfmt_value(field.value));
  return line + '\n';
}

}  // namespace

std::optional<std::size_t> LineLimiter::allow(std::string_view topic, Time now) {
  Topic& entry = find(topic, now);
  if (now - entry.since >= window) {
    entry.since = now;
    entry.lines = 0;
  }
  if (entry.lines == burst) {
    ++entry.suppressed;
    return std::nullopt;
  }
  ++entry.lines;
  return std::exchange(entry.suppressed, 0);
}

LineLimiter::Topic& LineLimiter::find(std::string_view name, Time now) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second;
  if (topics_.size() >= max_topics && now >= next_cleaning_) {
    // At most once a second, or each line in a flood of new topics would scan all old ones.
    next_cleaning_ = now + std::chrono::seconds{1};
    std::erase_if(topics_, [&](const auto& topic) { return now - topic.second.since >= window; });
  }
  if (topics_.size() >= max_topics) return shared_;
  return topics_.emplace(name, Topic{now, 0, 0}).first->second;
}

Log::Log(int fd, LogLevel level, LogFormat format) : level_(level), format_(format), writer_(fd) {}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (enabled(level)) put(level, message, fields);
}

void Log::limited(std::string_view topic, LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!enabled(level)) return;
  try {
    std::optional<std::size_t> suppressed;
    {
      const std::lock_guard lock(limiter_mutex_);
      suppressed = limiter_.allow(topic, std::chrono::steady_clock::now());
    }
    if (!suppressed) return;
    std::vector<LogField> all(fields.begin(), fields.end());
    const std::string count = std::to_string(*suppressed);
    if (*suppressed > 0) all.push_back({"left_out", count});
    put(level, message, all);
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    ++dropped_;
  }
}

/// Drops and counts the line when out of memory; never throws. Formats before locking, so that the loop waits little for
/// threads of lower priority.
void Log::put(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  std::string line;  // empty: out of memory
  try {
    line = format_line(format_, level, message, fields);
  } catch (const std::bad_alloc&) {
  }
  const std::lock_guard lock(mutex_);
  try {
    report_dropped();
    if (!line.empty() && dropped_ == 0 && writer_.write(line)) return;
  } catch (const std::bad_alloc&) {
  }
  ++dropped_;
}

void Log::flush() {
  const std::lock_guard lock(mutex_);
  writer_.flush();
  try {
    report_dropped();
  } catch (const std::bad_alloc&) {
    return;  // still counted
  }
}

/// Reports only when half of the buffer is free; otherwise a slightly slow reader would get this line after every other line.
void Log::report_dropped() {
  if (dropped_ == 0) return;
  writer_.flush();
  if (writer_.waiting() > LineWriter::capacity / 2) return;
  const std::string count = std::to_string(dropped_);
  const LogField field{"count", count};
  if (writer_.write(format_line(format_, LogLevel::warn, "log lines dropped", {&field, 1}))) dropped_ = 0;
}

}  // namespace nswarden
