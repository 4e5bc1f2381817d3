// SPDX-License-Identifier: Apache-2.0
// The sections of the status page below its verdict, one function each. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include <nswarden/report/snapshot.hpp>

#include "web/html.hpp"
#include "web/status_filter.hpp"

namespace nswarden {

/// How many rows the filter takes.
std::size_t matching_drift(const Snapshot& snapshot, const Filter& filter);
std::size_t matching_events(const Snapshot& snapshot, const Filter& filter);

Html drift_section(const Snapshot& snapshot, const Filter& filter);
Html events_section(const Snapshot& snapshot, const Filter& filter);
Html policies_section(const Snapshot& snapshot, const Filter& filter);
Html sources_section(const Snapshot& snapshot);
Html configuration_section(const Snapshot& snapshot);

}  // namespace nswarden
