// SPDX-License-Identifier: Apache-2.0
#include "netns/fanotify_buffer.hpp"

#include <sys/fanotify.h>

#include <cstring>

namespace nswarden {
namespace {

/// The pidfd from the records after an event's metadata, or FAN_NOPIDFD.
int pidfd_of(std::span<const char> records) {
  fanotify_event_info_header header{};
  while (records.size() >= sizeof header) {
    std::memcpy(&header, records.data(), sizeof header);
    if (header.len < sizeof header || header.len > records.size()) break;
    fanotify_event_info_pidfd record{};
    if (header.info_type == FAN_EVENT_INFO_TYPE_PIDFD && header.len >= sizeof record) {
      std::memcpy(&record, records.data(), sizeof record);
      return record.pidfd;
    }
    records = records.subspan(header.len);
  }
  return FAN_NOPIDFD;
}

}  // namespace

std::optional<RawFanotifyEvent> FanotifyBuffer::next() {
  fanotify_event_metadata head{};
  if (rest_.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, rest_.data(), sizeof head);
  if (head.vers != FANOTIFY_METADATA_VERSION || head.metadata_len < sizeof head || head.event_len < head.metadata_len ||
      head.event_len > rest_.size()) {
    return std::nullopt;
  }
  const int pidfd = pidfd_of(rest_.subspan(head.metadata_len, head.event_len - head.metadata_len));
  rest_ = rest_.subspan(head.event_len);
  return RawFanotifyEvent{head.mask, head.pid, head.fd, pidfd};
}

}  // namespace nswarden
