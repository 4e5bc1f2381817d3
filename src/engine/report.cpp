// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/report.hpp>

#include <cerrno>

namespace nswarden {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 4> state_names{"compliant", "drifted", "missing", "unreadable"};
constexpr std::array<std::string_view, 6> reason_names{"", "value", "missing", "unreadable", "clamped", "suspended"};
constexpr std::array<std::string_view, 4> source_names{"startup", "create", "event", "reconcile"};
constexpr std::array<std::string_view, 5> outcome_names{"fixed", "refused", "rejected", "clamped", "failed"};

}  // namespace

std::string_view to_string(State state) { return state_names.at(static_cast<std::size_t>(state)); }
std::string_view to_string(Reason reason) { return reason_names.at(static_cast<std::size_t>(reason)); }
std::string_view to_string(Source source) { return source_names.at(static_cast<std::size_t>(source)); }
std::string_view to_string(Outcome outcome) { return outcome_names.at(static_cast<std::size_t>(outcome)); }

std::string_view failure_reason(int error) {
  switch (error) {
    case 0: return "readback";
    case ENOENT: return "enoent";
    case EACCES: return "eacces";
    case EPERM: return "eperm";
    case EINVAL: return "einval";
    case EROFS: return "erofs";
    default: return "other";
  }
}

}  // namespace nswarden
