// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/report.hpp>

#include <cerrno>

namespace nswarden {

std::string_view to_string(State state) {
  switch (state) {
    case State::compliant: return "compliant";
    case State::drifted: return "drifted";
    case State::missing: return "missing";
    case State::unreadable: return "unreadable";
  }
  return "";
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::none: return "";
    case Reason::value: return "value";
    case Reason::missing: return "missing";
    case Reason::unreadable: return "unreadable";
    case Reason::clamped: return "clamped";
    case Reason::suspended: return "suspended";
  }
  return "";
}

std::string_view to_string(Source source) {
  switch (source) {
    case Source::startup: return "startup";
    case Source::create: return "create";
    case Source::event: return "event";
    case Source::reconcile: return "reconcile";
  }
  return "";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::fixed: return "fixed";
    case Outcome::refused: return "refused";
    case Outcome::rejected: return "rejected";
    case Outcome::clamped: return "clamped";
    case Outcome::failed: return "failed";
  }
  return "";
}

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
