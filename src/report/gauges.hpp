// SPDX-License-Identifier: Apache-2.0
// Gauges, generated from a snapshot at scrape time. Pure, any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <nswarden/base/build_info.hpp>
#include <nswarden/report/snapshot.hpp>
#include <vector>

namespace nswarden {

/// Returns one family per name; omits families without a series. Label values have passed printable().
std::vector<prometheus::MetricFamily> gauges_of(const Snapshot& snapshot, const BuildInfo& build);

}  // namespace nswarden
