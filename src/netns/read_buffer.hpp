// SPDX-License-Identifier: Apache-2.0
// The bytes and readings of one BoundNetns::read(), reused by the next: a sweep allocates nothing.
#pragma once

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <unistd.h>

#include <nswarden/engine/kernel.hpp>

namespace nswarden {

class ReadBuffer {
 public:
  /// Forgets what was read before and makes room for `keys` readings.
  void start(std::size_t keys);

  /// Reads the whole of a sysctl file: at offset 0, whatever was read before (kernel fact 12).
  Reading& read(std::size_t key, int fd) {
    Reading& reading = readings_[key];
    char* const slot = slots_.get() + key * slot_size;
    // The kernel allocates as many bytes as are asked for, so ask for few: nearly all values are short.
    const ssize_t size = ::pread(fd, slot, slot_size - 1, 0);
    if (size > 0 && static_cast<std::size_t>(size) < slot_size - 1) {
      reading = {Reading::Status::value, 0, {slot, static_cast<std::size_t>(size)}};
    } else if (size < 0) {
      reading = failed(errno);
    } else {
      read_long(reading, fd);
    }
    return reading;
  }

  void set(std::size_t key, Reading reading) { readings_[key] = reading; }
  [[nodiscard]] std::span<const Reading> readings() const { return {readings_.data(), count_}; }

  static Reading failed(int error) {
    if (error == ENOENT) return {Reading::Status::vanished, 0, {}};
    return {Reading::Status::unreadable, error, {}};
  }

 private:
  static constexpr std::size_t slot_size = 128;

  void read_long(Reading& reading, int fd);

  std::size_t count_ = 0;
  std::vector<Reading> readings_;
  std::unique_ptr<char[]> slots_;  // slot_size for each reading, never moved within one read()
  std::vector<std::unique_ptr<char[]>> long_values_;
};

}  // namespace nswarden
