// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/inotify_events.hpp>

#include <algorithm>
#include <array>

namespace nswarden {
namespace {

// Values from linux/inotify.h; src/netns/netns_watcher.cpp checks them at compile time.
constexpr std::array events{
    InotifyEvent{"IN_ACCESS", 0x00000001, "a file was read"},
    InotifyEvent{"IN_ATTRIB", 0x00000004, "metadata changed"},
    InotifyEvent{"IN_CLOSE_WRITE", 0x00000008, "a file that was open for writing was closed"},
    InotifyEvent{"IN_CLOSE_NOWRITE", 0x00000010, "a file that was open for reading was closed"},
    InotifyEvent{"IN_CREATE", 0x00000100, "a netns appeared; its commands run once for each netns, after its sysctls are set"},
    InotifyEvent{"IN_DELETE", 0x00000200, "a name was deleted"},
    InotifyEvent{"IN_DELETE_SELF", 0x00000400, "the directory was deleted; $NETNS is empty"},
    InotifyEvent{"IN_MODIFY", 0x00000002, "a file was written"},
    InotifyEvent{"IN_MOVE_SELF", 0x00000800, "the directory was moved; $NETNS is empty"},
    InotifyEvent{"IN_MOVED_FROM", 0x00000040, "a name was moved out of the directory"},
    InotifyEvent{"IN_MOVED_TO", 0x00000080, "a name was moved into the directory"},
    InotifyEvent{"IN_OPEN", 0x00000020, "a file was opened"},
    InotifyEvent{"IN_ALL_EVENTS", 0x00000fff, "any of the above"},
    InotifyEvent{"IN_MOVE", 0x000000c0, "IN_MOVED_FROM or IN_MOVED_TO"},
    InotifyEvent{"IN_CLOSE", 0x00000018, "IN_CLOSE_WRITE or IN_CLOSE_NOWRITE"},
    InotifyEvent{"IN_IGNORED", 0x00008000, "flag: the watch of the directory ended; $NETNS is empty"},
    InotifyEvent{"IN_ISDIR", 0x40000000, "flag: the event concerns a directory"},
    InotifyEvent{"IN_Q_OVERFLOW", 0x00004000, "flag: events were lost; $NETNS is empty"},
    InotifyEvent{"IN_UNMOUNT", 0x00002000, "flag: the file system of the directory was unmounted; $NETNS is empty"},
    InotifyEvent{"IN_DONT_FOLLOW", 0x02000000, "accepted, and never reported"},
    InotifyEvent{"IN_EXCL_UNLINK", 0x04000000, "accepted, and never reported"},
    InotifyEvent{"IN_MASK_ADD", 0x20000000, "accepted, and never reported"},
    InotifyEvent{"IN_MASK_CREATE", 0x10000000, "accepted, and never reported"},
    InotifyEvent{"IN_ONESHOT", 0x80000000, "accepted, and never reported"},
    InotifyEvent{"IN_ONLYDIR", 0x01000000, "accepted, and never reported"},
};

constexpr std::uint32_t is_directory = 0x40000000;

bool is_one_bit(std::uint32_t bits) { return (bits & (bits - 1)) == 0; }

}  // namespace

std::span<const InotifyEvent> inotify_events() { return events; }

std::optional<std::uint32_t> inotify_bits(std::string_view name) {
  const auto* found = std::find_if(events.begin(), events.end(), [&](const InotifyEvent& event) { return event.name == name; });
  if (found == events.end()) return std::nullopt;
  return found->bits;
}

std::vector<std::string_view> inotify_event_names(std::uint32_t mask) {
  std::vector<std::string_view> names;
  for (const InotifyEvent& event : events) {
    if (is_one_bit(event.bits) && event.bits != is_directory && (mask & event.bits) != 0) names.push_back(event.name);
  }
  return names;
}

}  // namespace nswarden
