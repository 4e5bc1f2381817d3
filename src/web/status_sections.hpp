// SPDX-License-Identifier: Apache-2.0
// The sections of the status page below its verdict, one function each. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include <nswarden/report/snapshot.hpp>

#include <nswarden/web/url.hpp>
#include "web/html.hpp"

namespace nswarden {

/// Limit on drift rows of the page; the JSON lists more.
inline constexpr std::size_t max_drift_rows = 200;

/// Severity that a word's style conveys.
enum class Severity { calm, good, warn, bad };
/// Class name in the stylesheet.
std::string_view severity_class(Severity severity);

/// Number of drift rows that match the filter.
std::size_t matching_drift(const Snapshot& snapshot, const Filter& filter);
std::size_t matching_events(const Snapshot& snapshot, const Filter& filter);

Html drift_section(const Snapshot& snapshot, const Filter& filter);
Html events_section(const Snapshot& snapshot, const Filter& filter);
Html policies_section(const Snapshot& snapshot, const Filter& filter);
Html sources_section(const Snapshot& snapshot);
Html configuration_section(const Snapshot& snapshot);

}  // namespace nswarden
