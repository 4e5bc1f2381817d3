// SPDX-License-Identifier: Apache-2.0
// The input is the result of reading a fanotify fd: truncated headers, false lengths, records of any kind. The same bytes as
// text are a cgroup path that names a writer.
#include <cstring>
#include <vector>

#include <nswarden/engine/writer.hpp>
#include "netns/fanotify_buffer.hpp"

#include "oracle.hpp"

using namespace nswarden;

namespace {

constexpr std::size_t header = 24;
constexpr std::size_t pidfd_record = 8;
constexpr std::uint8_t version = 3;
constexpr std::uint8_t pidfd_type = 4;

struct Event {
  std::uint64_t mask = 0;
  std::int32_t pid = 0;
  int fd = -1;
  int pidfd = -1;
  friend bool operator==(const Event&, const Event&) = default;
};

std::vector<Event> events_of(std::string_view bytes) {
  std::vector<Event> events;
  FanotifyBuffer buffer(bytes);
  while (const auto event = buffer.next()) {
    events.push_back({event->mask, event->pid, event->fd, event->pidfd});
    fuzz::require(events.size() <= bytes.size() / header, "each event uses up its header");
  }
  const bool empty = buffer.empty();
  fuzz::require(!buffer.next() && buffer.empty() == empty, "the end stays the end");
  return events;
}

template <class T>
T at(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Encodes the events again in the kernel's layout, with the pidfd in a separate record.
std::string laid_out(const std::vector<Event>& events) {
  std::string out;
  for (const Event& event : events) {
    put(out, static_cast<std::uint32_t>(header + pidfd_record));
    put(out, version);
    put(out, std::uint8_t{0});
    put(out, static_cast<std::uint16_t>(header));
    put(out, event.mask);
    put(out, event.fd);
    put(out, event.pid);
    put(out, pidfd_type);
    put(out, std::uint8_t{0});
    put(out, static_cast<std::uint16_t>(pidfd_record));
    put(out, event.pidfd);
  }
  return out;
}

/// Counts events by their lengths alone.
std::size_t whole_events(std::string_view rest) {
  std::size_t whole = 0;
  while (rest.size() >= header) {
    const auto length = at<std::uint32_t>(rest, 0);
    const auto head = at<std::uint16_t>(rest, 6);
    if (at<std::uint8_t>(rest, 4) != version || head < header || length < head || length > rest.size()) break;
    rest.remove_prefix(length);
    ++whole;
  }
  return whole;
}

void check_cgroup(std::string_view path) {
  const CgroupNames names = names_of_cgroup(path);
  fuzz::require(names.container.empty() || names.container.size() == 64, "a container has an id of 64 digits", path);
  fuzz::require(path.find(names.container) != std::string_view::npos, "a container is in the path", path);
  fuzz::require(path.find(names.unit) != std::string_view::npos && names.unit.find('/') == std::string::npos,
                "a unit is a component of the path", path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::input(data, size);
  const std::vector<Event> events = events_of(bytes);
  fuzz::require(events_of(laid_out(events)) == events, "events are read back as the kernel would lay them out");
  fuzz::require(events.size() == whole_events(bytes), "no whole event is left out");

  const std::string shifted = "-" + std::string(bytes);
  fuzz::require(events_of(std::string_view(shifted).substr(1)) == events, "where a buffer begins does not matter");

  const std::vector<Event> fewer = events_of(bytes.substr(0, size - size / 3));
  const bool first = fewer.size() <= events.size() && std::equal(fewer.begin(), fewer.end(), events.begin());
  fuzz::require(first, "a cut takes away the last events only");

  check_cgroup(bytes);
  return 0;
}
