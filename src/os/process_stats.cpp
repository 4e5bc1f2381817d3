// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/process_stats.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <nswarden/base/text.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>

namespace nswarden {
namespace {

constexpr std::size_t largest_proc_file = std::size_t{16} << 20;  // /proc/stat has a column for each interrupt

// Positions in /proc/self/stat as proc(5) counts them.
enum StatField : std::size_t { utime = 14, stime = 15, starttime = 22, vsize = 23, rss = 24, stat_fields = 25 };
using StatFields = std::array<std::uint64_t, stat_fields>;

Result<StatFields> read_stat() {
  const Result<std::string> text = read_file("/proc/self/stat", 4096);
  if (!text) return text.error();
  // The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
  std::string_view rest = *text;
  rest.remove_prefix(text->rfind(')') + 2);
  StatFields fields{};
  for (std::size_t field = 3; field < stat_fields && !rest.empty(); ++field) {
    fields[field] = parse_number<std::uint64_t>(take_until(rest, ' ')).value_or(0);
  }
  return fields;
}

double ticks_per_second() { return static_cast<double>(::sysconf(_SC_CLK_TCK)); }

double boot_time() {
  const Result<std::string> text = read_file("/proc/stat", largest_proc_file);
  if (!text) return 0;
  constexpr std::string_view label = "\nbtime ";
  std::string_view rest = *text;
  const std::size_t at = rest.find(label);
  if (at == std::string_view::npos) return 0;
  rest.remove_prefix(at + label.size());
  return static_cast<double>(parse_number<std::uint64_t>(take_until(rest, '\n')).value_or(0));
}

std::size_t count_open_fds() {
  struct stat status {};
  // Since Linux 6.2 the size of this directory is the number of fds (kernel fact 67).
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return static_cast<std::size_t>(status.st_size);
  const DirectoryStream directory(::opendir("/proc/self/fd"));
  if (!directory) return 0;
  std::size_t entries = 0;
  while (::readdir(directory.get()) != nullptr) ++entries;
  constexpr std::size_t not_counted = 3;  // ".", ".." and the directory's own fd
  return entries - not_counted;
}

}  // namespace

std::optional<std::size_t> count_threads() {
  struct stat status {};
  constexpr std::size_t not_threads = 2;  // links to the directory from above and from itself
  if (::stat("/proc/self/task", &status) != 0 || status.st_nlink <= not_threads) return std::nullopt;
  return status.st_nlink - not_threads;
}

ProcessMeter::ProcessMeter() {
  const Result<StatFields> fields = read_stat();
  if (fields) start_time_ = boot_time() + static_cast<double>((*fields)[starttime]) / ticks_per_second();
}

Result<ProcessStats> ProcessMeter::read() const {
  const Result<StatFields> fields = read_stat();
  if (!fields) return fields.error();
  ProcessStats stats;
  stats.cpu_seconds = static_cast<double>((*fields)[utime] + (*fields)[stime]) / ticks_per_second();
  stats.start_time_seconds = start_time_;
  stats.resident_bytes = (*fields)[rss] * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  stats.virtual_bytes = (*fields)[vsize];
  stats.open_fds = count_open_fds();
  stats.max_fds = open_files_limit();
  return stats;
}

}  // namespace nswarden
