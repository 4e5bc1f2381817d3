// SPDX-License-Identifier: Apache-2.0
// The input is the result of reading an inotify fd: truncated headers, false lengths, unterminated names.
#include <cstring>
#include <vector>

#include <nswarden/os/inotify_buffer.hpp>
#include <nswarden/policy/inotify_events.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

constexpr std::size_t header = 16;

struct Event {
  std::int32_t wd = 0;
  std::uint32_t mask = 0;
  std::string name;
  friend bool operator==(const Event&, const Event&) = default;
};

std::vector<Event> events_of(std::string_view bytes) {
  std::vector<Event> events;
  InotifyBuffer buffer(bytes);
  while (const auto event = buffer.next()) {
    const bool inside = event->name.empty() || (event->name.data() >= bytes.data() + header &&
                                                event->name.data() + event->name.size() <= bytes.data() + bytes.size());
    fuzz::require(inside, "a name lies in the buffer");
    fuzz::require(event->name.find('\0') == std::string_view::npos, "a name ends before its padding", event->name);
    events.push_back({event->wd, event->mask, std::string(event->name)});
    fuzz::require(events.size() <= bytes.size() / header, "each event uses up its header");
  }
  fuzz::require(!buffer.next(), "the end stays the end");
  return events;
}

/// Encodes the events again in the kernel's layout: each name is padded with one to 16 NUL bytes to a multiple of 16.
std::string laid_out(const std::vector<Event>& events) {
  std::string out;
  for (const Event& event : events) {
    const std::size_t length = event.name.empty() ? 0 : (event.name.size() / header + 1) * header;
    const std::uint32_t words[4] = {static_cast<std::uint32_t>(event.wd), event.mask, 0, static_cast<std::uint32_t>(length)};
    out.append(reinterpret_cast<const char*>(words), sizeof words).append(event.name);
    out.append(length - event.name.size(), '\0');
  }
  return out;
}

void check_mask(std::uint32_t mask) {
  std::uint32_t named = 0;
  for (const std::string_view name : inotify_event_names(mask)) {
    const auto bits = inotify_bits(name);
    fuzz::require(bits && (*bits & mask) == *bits && (*bits & named) == 0, "each bit that is set is named once", name);
    named |= *bits;
  }
  fuzz::require((mask & inotify_requestable & ~named) == 0, "what can be asked for has a name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::input(data, size);
  const std::vector<Event> events = events_of(bytes);
  for (const Event& event : events) check_mask(event.mask);
  fuzz::require(events_of(laid_out(events)) == events, "events are read back as the kernel would lay them out");

  const std::string shifted = "-" + std::string(bytes);
  fuzz::require(events_of(std::string_view(shifted).substr(1)) == events, "where a buffer begins does not matter");

  const std::vector<Event> fewer = events_of(bytes.substr(0, size - size / 3));
  const bool first = fewer.size() <= events.size() && std::equal(fewer.begin(), fewer.end(), events.begin());
  fuzz::require(first, "a cut takes away the last events only");
  std::size_t whole = 0;
  for (std::string_view rest = bytes; rest.size() >= header; ++whole) {
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data() + 12, sizeof length);
    if (length > rest.size() - header) break;
    rest.remove_prefix(header + length);
  }
  fuzz::require(whole == events.size(), "no whole event is left out");
  return 0;
}
