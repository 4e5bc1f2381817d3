// SPDX-License-Identifier: Apache-2.0
// What `nswarden status` prints for people. What comes from the daemon is made safe for a terminal, and cut where it is long.
// Pure text, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/report/console.hpp>
#include "cli/status_document.hpp"

namespace nswarden {

struct StatusView {
  StatusDocument status;
  std::vector<StatusEvent> events;  ///< the last ones, newest last
  std::vector<std::string> netns;   ///< findings and events are of these only; empty for all
  double now = 0;                   ///< Unix time
};

/// Whether all is well, as far as the view goes.
enum class StatusVerdict : std::uint8_t { compliant, drifted, unknown };
StatusVerdict verdict_of(const StatusView& view);

std::string status_table(const StatusView& view, Colour colour);

}  // namespace nswarden
