// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/inotify_buffer.hpp>

#include <sys/inotify.h>

#include <cstring>

namespace nswarden {

std::optional<RawInotifyEvent> InotifyBuffer::next() {
  inotify_event head{};
  if (rest_.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, rest_.data(), sizeof head);
  if (rest_.size() - sizeof head < head.len) return std::nullopt;
  const char* const name = rest_.data() + sizeof head;
  rest_ = rest_.subspan(sizeof head + head.len);
  // The name is padded with NUL bytes.
  return RawInotifyEvent{head.wd, head.mask, {name, ::strnlen(name, head.len)}};
}

}  // namespace nswarden
