// SPDX-License-Identifier: Apache-2.0
// The HTTP API: what a snapshot says, for programs. Pure text, any thread.
#pragma once

#include <nswarden/report/snapshot.hpp>
#include <string>

namespace nswarden {

/// The report that `check --output=json` makes, of the daemon's state, with what only a daemon knows.
std::string status_json(const Snapshot& snapshot);
std::string events_json(const Snapshot& snapshot);

}  // namespace nswarden
