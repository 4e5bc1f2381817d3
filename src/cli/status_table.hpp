// SPDX-License-Identifier: Apache-2.0
// The table of `nswarden status`. It escapes the daemon's strings for a terminal and truncates long ones. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/report/console.hpp>
#include "cli/status_document.hpp"

namespace nswarden {

struct StatusView {
  StatusDocument status;
  std::vector<StatusEvent> events;  ///< the latest, newest last
  std::vector<std::string> netns;   ///< the only netns of findings and events; empty for all
  double now = 0;                   ///< Unix time
};

/// Overall verdict within the view.
enum class StatusVerdict : std::uint8_t { compliant, drifted, unknown };
StatusVerdict verdict_of(const StatusView& view);

std::string status_table(const StatusView& view, Colour colour);

}  // namespace nswarden
