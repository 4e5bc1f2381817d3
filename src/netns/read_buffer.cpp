// SPDX-License-Identifier: Apache-2.0
#include "netns/read_buffer.hpp"

#include <algorithm>
#include <array>

namespace nswarden {

void ReadBuffer::start(std::size_t keys) {
  if (keys > readings_.size()) {
    const std::size_t room = std::max(keys, 2 * readings_.size());
    readings_.resize(room);
    slots_ = std::make_unique<char[]>(room * slot_size);
  }
  count_ = keys;
  long_values_.clear();
}

void ReadBuffer::read_long(Reading& reading, int fd) {
  // A buffer that is too small looks like the end of the file, or cuts the value (kernel fact 12).
  constexpr std::array<std::size_t, 2> sizes{4095, 131071};
  for (const std::size_t room : sizes) {
    auto bytes = std::make_unique<char[]>(room);
    const ssize_t size = ::pread(fd, bytes.get(), room, 0);
    if (size < 0) {
      reading = failed(errno);
      return;
    }
    const auto length = static_cast<std::size_t>(size);
    reading = {Reading::Status::value, 0, {bytes.get(), length}};
    if (length == 0) continue;
    if (length < room) {
      long_values_.push_back(std::move(bytes));
      return;
    }
    reading = {Reading::Status::unreadable, EFBIG, {}};
  }
  if (reading.status == Reading::Status::value) reading.bytes = {};
}

}  // namespace nswarden
