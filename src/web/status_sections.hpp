// SPDX-License-Identifier: Apache-2.0
// The sections of the status page below its verdict, one function each. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include <nswarden/report/snapshot.hpp>

#include <nswarden/web/url.hpp>
#include "web/html.hpp"

namespace nswarden {

/// Rows of drift on the page; the JSON has more.
inline constexpr std::size_t most_drift_rows = 200;

/// What a word is to say at a glance, beside the word itself.
enum class Mood { calm, good, warn, bad };
/// The name of a class of the stylesheet.
std::string_view mood_class(Mood mood);

/// How many rows the filter takes.
std::size_t matching_drift(const Snapshot& snapshot, const Filter& filter);
std::size_t matching_events(const Snapshot& snapshot, const Filter& filter);

Html drift_section(const Snapshot& snapshot, const Filter& filter);
Html events_section(const Snapshot& snapshot, const Filter& filter);
Html policies_section(const Snapshot& snapshot, const Filter& filter);
Html sources_section(const Snapshot& snapshot);
Html configuration_section(const Snapshot& snapshot);

}  // namespace nswarden
