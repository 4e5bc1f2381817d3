// SPDX-License-Identifier: Apache-2.0
// The daemon's log on stderr, logfmt or JSON, one line for each change of a fact. A reader that stops reading stops nothing:
// lines wait in a bounded buffer, and what did not fit is counted and said (kernel fact 36); so is a line for which there was
// no memory. Any thread may log.
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
  std::string_view value;  ///< bytes; made printable and quoted as the format needs
};

/// How often a topic may be logged: a number of lines for each topic and minute, in bounded memory whatever the topics are.
/// Pure, time is an argument. Not thread-safe.
class LineLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t burst = 10;
  static constexpr std::chrono::minutes window{1};
  static constexpr std::size_t max_topics = 1024;

  /// None when the line is to be left out; else how many lines of the topic were left out since the last one that was not.
  /// Topics beyond max_topics share one allowance until others fall silent.
  std::optional<std::size_t> admit(std::string_view topic, Time now);

  [[nodiscard]] std::size_t topics() const { return topics_.size(); }

 private:
  struct Topic {
    Time since;
    std::size_t lines = 0;
    std::size_t left_out = 0;
  };
  Topic& find(std::string_view name, Time now);

  std::map<std::string, Topic, std::less<>> topics_;
  Topic shared_;
  Time next_cleaning_{};
};

class Log {
 public:
  /// Writes to `fd`, which stays the caller's.
  Log(int fd, LogLevel level, LogFormat format);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] bool enabled(LogLevel level) const { return level >= level_; }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::debug, message, fields); }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::info, message, fields); }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::warn, message, fields); }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::error, message, fields); }

  /// Like write(), at most `burst` times a minute for each `topic`; the first line of the next minute says how many were
  /// left out. For lines that an opponent or a flapping netns can cause without end.
  void limited(std::string_view topic, LogLevel level, std::string_view message, std::span<const LogField> fields);
  void limited(std::string_view topic, LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) {
    limited(topic, level, message, std::span(fields.begin(), fields.size()));
  }

  /// Tries again to write what waits. The loop calls it now and then. Never blocks.
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
