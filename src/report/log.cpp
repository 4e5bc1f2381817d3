// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <nswarden/report/log.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <nlohmann/json.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/os/line_writer.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/line_limiter.hpp"

namespace nswarden {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug: return "debug";
    case spdlog::level::warn: return "warn";
    case spdlog::level::err: return "error";
    default: return "info";
  }
}

std::string utc_milliseconds(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time - day)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

// As Go's log packages write it, so that what parses the log of Prometheus parses this one.
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

/// All of a line but its time and level, which spdlog keeps apart.
std::string format_rest(LogFormat format, std::string_view message, const std::vector<LogField>& fields) {
  std::string rest;
  if (format == LogFormat::json) {
    rest = fmt::format("\"msg\":{}", json_string(message));
    for (const LogField& field : fields) rest += fmt::format(",{}:{}", json_string(field.name), json_string(field.value));
    return rest;
  }
  rest = fmt::format("msg={}", logfmt_value(message));
  for (const LogField& field : fields) rest += fmt::format(" {}={}", field.name, logfmt_value(field.value));
  return rest;
}

std::string format_line(LogFormat format, std::chrono::system_clock::time_point time, std::string_view level,
                        std::string_view rest) {
  if (format == LogFormat::json) {
    return fmt::format("{{\"ts\":\"{}\",\"level\":\"{}\",{}}}\n", utc_milliseconds(time), level, rest);
  }
  return fmt::format("ts={} level={} {}\n", utc_milliseconds(time), level, rest);
}

/// Memory may run out at any line: then it is dropped and counted, and nothing is thrown.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  LineSink(int fd, LogFormat format) : format_(format), writer_(fd) {}

  /// A line that could not even be made.
  void drop() {
    const std::lock_guard lock(mutex_);
    ++dropped_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    try {
      say_dropped();
      const std::string_view rest(message.payload.data(), message.payload.size());
      const std::string line = format_line(format_, message.time, level_name(message.level), rest);
      if (dropped_ == 0 && writer_.write(line)) return;
    } catch (const std::bad_alloc&) {
    }
    ++dropped_;
  }

  void flush_() override {
    writer_.flush();
    try {
      say_dropped();
    } catch (const std::bad_alloc&) {
      return;  // they are still counted
    }
  }

 private:
  // Only once half of the buffer is free again: a reader that is a little too slow would be told of each line.
  void say_dropped() {
    if (dropped_ == 0) return;
    writer_.flush();
    if (writer_.waiting() > LineWriter::capacity / 2) return;
    const std::string count = std::to_string(dropped_);
    const std::string rest = format_rest(format_, "log lines dropped", {{"count", count}});
    if (writer_.write(format_line(format_, std::chrono::system_clock::now(), "warn", rest))) dropped_ = 0;
  }

  LogFormat format_;
  LineWriter writer_;
  std::size_t dropped_ = 0;
};

}  // namespace

struct Log::Impl {
  Impl(int fd, LogFormat log_format)
      : format(log_format), sink(std::make_shared<LineSink>(fd, log_format)), logger("nswarden", sink) {}

  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
    const std::string rest = format_rest(format, message, fields);
    logger.log(to_spdlog(level), spdlog::string_view_t(rest.data(), rest.size()));
  }

  LogFormat format;
  std::shared_ptr<LineSink> sink;
  spdlog::logger logger;
  std::mutex limiter_mutex;
  LineLimiter limiter;
};

Log::Log(int fd, LogLevel level, LogFormat format) : impl_(std::make_unique<Impl>(fd, format)) {
  impl_->logger.set_level(to_spdlog(level));
  impl_->logger.flush_on(spdlog::level::off);
  // spdlog's own would print to stderr, and might block there.
  impl_->logger.set_error_handler([](const std::string&) {});
}

Log::~Log() = default;

bool Log::enabled(LogLevel level) const { return impl_->logger.should_log(to_spdlog(level)); }

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  try {
    impl_->write(level, message, fields);
  } catch (const std::bad_alloc&) {
    impl_->sink->drop();
  }
}

void Log::limited(std::string_view topic, LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!enabled(level)) return;
  try {
    std::optional<std::size_t> left_out;
    {
      const std::lock_guard lock(impl_->limiter_mutex);
      left_out = impl_->limiter.admit(topic, std::chrono::steady_clock::now());
    }
    if (!left_out) return;
    std::vector<LogField> all(fields.begin(), fields.end());
    const std::string count = std::to_string(*left_out);
    if (*left_out > 0) all.push_back({"left_out", count});
    impl_->write(level, message, all);
  } catch (const std::bad_alloc&) {
    impl_->sink->drop();
  }
}

void Log::flush() { impl_->sink->flush(); }

}  // namespace nswarden
