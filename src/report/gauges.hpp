// SPDX-License-Identifier: Apache-2.0
// The metrics that are a state and no count, made from a snapshot at the scrape. Pure, any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <nswarden/base/build_info.hpp>
#include <nswarden/report/snapshot.hpp>
#include <vector>

namespace nswarden {

/// One family for each name; families without a series are left out. Label values have passed printable().
std::vector<prometheus::MetricFamily> gauges_of(const Snapshot& snapshot, const BuildInfo& build);

}  // namespace nswarden
