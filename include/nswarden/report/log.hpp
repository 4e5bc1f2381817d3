// SPDX-License-Identifier: Apache-2.0
// The daemon's log on stderr, logfmt or JSON, one line for each change of a fact. A reader that stops reading stops nothing:
// lines wait in a bounded buffer, and what did not fit is counted and said (kernel fact 36); so is a line for which there was
// no memory. Any thread may log.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <span>
#include <string_view>

#include <nswarden/os/line_writer.hpp>
#include <nswarden/report/line_limiter.hpp>

namespace nswarden {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { logfmt, json };

struct LogField {
  std::string_view name;
  std::string_view value;  ///< bytes; made printable and quoted as the format needs
};

class Log {
 public:
  /// Writes to `fd`, which stays the caller's.
  Log(int fd, LogLevel level, LogFormat format);
  ~Log() = default;
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
