// SPDX-License-Identifier: Apache-2.0
#include "netns/fanotify_buffer.hpp"

#include <sys/fanotify.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace nswarden {
namespace {

template <class T>
std::string bytes_of(const T& object) {
  return {reinterpret_cast<const char*>(&object), sizeof object};
}

std::string record(std::uint8_t type, std::string_view content) {
  const fanotify_event_info_header header{type, 0, static_cast<std::uint16_t>(sizeof header + content.size())};
  return bytes_of(header).append(content);
}

std::string pidfd_record(int pidfd) { return record(FAN_EVENT_INFO_TYPE_PIDFD, bytes_of(pidfd)); }

std::string event(std::uint64_t mask, int fd, int pid, const std::string& records = {}) {
  fanotify_event_metadata head{};
  head.event_len = static_cast<std::uint32_t>(sizeof head + records.size());
  head.vers = FANOTIFY_METADATA_VERSION;
  head.metadata_len = sizeof head;
  head.mask = mask;
  head.fd = fd;
  head.pid = pid;
  return bytes_of(head) + records;
}

TEST_CASE("a buffer of fanotify events gives each with its fd, pid and pidfd") {
  const std::string bytes = event(FAN_MODIFY, 5, 77, pidfd_record(6)) + event(FAN_MODIFY, 7, 78) +
                            event(FAN_Q_OVERFLOW, FAN_NOFD, 0, pidfd_record(FAN_NOPIDFD));
  FanotifyBuffer buffer(bytes);
  const auto first = buffer.next();
  REQUIRE(first);
  CHECK(first->mask == FAN_MODIFY);
  CHECK(first->fd == 5);
  CHECK(first->pid == 77);
  CHECK(first->pidfd == 6);
  const auto second = buffer.next();
  REQUIRE(second);
  CHECK(second->fd == 7);
  CHECK(second->pidfd < 0);
  const auto overflow = buffer.next();
  REQUIRE(overflow);
  CHECK(overflow->mask == FAN_Q_OVERFLOW);
  CHECK(overflow->fd < 0);
  CHECK(overflow->pidfd < 0);
  CHECK_FALSE(buffer.next());
  CHECK(buffer.empty());
}

TEST_CASE("a pidfd is found behind records of other kinds, and in none that lies about its length") {
  const auto pidfd_after = [](const std::string& records) {
    const std::string bytes = event(FAN_MODIFY, 5, 77, records);
    return FanotifyBuffer(bytes).next()->pidfd;
  };
  CHECK(pidfd_after(record(FAN_EVENT_INFO_TYPE_FID, "any thing") + pidfd_record(6)) == 6);
  const std::string endless = bytes_of(fanotify_event_info_header{FAN_EVENT_INFO_TYPE_FID, 0, 0});
  CHECK(pidfd_after(endless + pidfd_record(6)) < 0);
  const std::string too_long = bytes_of(fanotify_event_info_header{FAN_EVENT_INFO_TYPE_FID, 0, 400});
  CHECK(pidfd_after(too_long + pidfd_record(6)) < 0);
  CHECK(pidfd_after(record(FAN_EVENT_INFO_TYPE_PIDFD, "abc")) < 0);
}

TEST_CASE("a rest that is no whole fanotify event is left alone, and told") {
  const std::string whole = event(FAN_MODIFY, 5, 77, pidfd_record(6));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    FanotifyBuffer buffer(std::string_view(whole).substr(0, size));
    CHECK_FALSE(buffer.next());
    CHECK(buffer.empty() == (size == 0));
  }
}

TEST_CASE("an event of a layout that we do not know is none") {
  std::string other = event(FAN_MODIFY, 5, 77);
  other[offsetof(fanotify_event_metadata, vers)] = FANOTIFY_METADATA_VERSION + 1;
  CHECK_FALSE(FanotifyBuffer(other).next());
  std::string short_head = event(FAN_MODIFY, 5, 77);
  short_head[offsetof(fanotify_event_metadata, metadata_len)] = sizeof(fanotify_event_metadata) - 1;
  CHECK_FALSE(FanotifyBuffer(short_head).next());
}

}  // namespace
}  // namespace nswarden
