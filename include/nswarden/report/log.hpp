// SPDX-License-Identifier: Apache-2.0
// The daemon's log on stderr, logfmt or JSON, one line per change. A stalled reader never blocks the daemon: lines wait in a
// bounded buffer, and dropped lines are counted and reported (kernel fact 36). Lines dropped when out of memory are counted
// too. Any thread may log.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nswarden/os/line_writer.hpp>

namespace nswarden {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { logfmt, json };

struct LogField {
  std::string_view name;
  std::string_view value;  ///< bytes; escaped and quoted as the format requires
};

/// Rate limit per topic: a number of lines per topic and minute, in bounded memory for any set of topics. Pure; the caller
/// passes the time. Not thread-safe.
class LineLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t burst = 10;
  static constexpr std::chrono::minutes window{1};
  static constexpr std::size_t max_topics = 1024;

  /// Empty optional when the line must be suppressed; otherwise the number of suppressed lines of the topic since its last
  /// line. Topics beyond max_topics share one allowance until other topics fall silent.
  std::optional<std::size_t> allow(std::string_view topic, Time now);

  [[nodiscard]] std::size_t topics() const { return topics_.size(); }

 private:
  struct Topic {
    Time since;
    std::size_t lines = 0;
    std::size_t suppressed = 0;
  };
  Topic& find(std::string_view name, Time now);

  std::map<std::string, Topic, std::less<>> topics_;
  Topic shared_;
  Time next_cleaning_{};
};

class Log {
 public:
  /// Writes to `fd`, which the caller owns.
  Log(int fd, LogLevel level, LogFormat format);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] bool enabled(LogLevel level) const { return level >= level_; }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::debug, message, fields); }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::info, message, fields); }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::warn, message, fields); }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::error, message, fields); }

  /// Like write(), at most `burst` times a minute for each `topic`; the first line of the next minute reports the number of
  /// suppressed lines. For lines that an opponent or a flapping netns can cause indefinitely.
  void limited(std::string_view topic, LogLevel level, std::string_view message, std::span<const LogField> fields);
  void limited(std::string_view topic, LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) {
    limited(topic, level, message, std::span(fields.begin(), fields.size()));
  }

  /// Retries writing the buffered lines. The loop calls it periodically. Never blocks.
  void flush();

 private:
  void put(LogLevel level, std::string_view message, std::span<const LogField> fields);
  void report_dropped();

  const LogLevel level_;
  const LogFormat format_;
  std::mutex mutex_;  // guards the two below
  LineWriter writer_;
  std::size_t dropped_ = 0;  // lines
  std::mutex limiter_mutex_;
  LineLimiter limiter_;
};

}  // namespace nswarden
