// SPDX-License-Identifier: Apache-2.0
// The status page: a snapshot as HTML for people. Needs no script and loads nothing. It makes no difference to the page whether a
// name is friendly: all bytes of others stand in it as text. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include <nswarden/base/build_info.hpp>
#include <nswarden/report/snapshot.hpp>

#include "web/filter.hpp"

namespace nswarden {

std::string status_page(const Snapshot& snapshot, const Filter& filter, std::string_view telemetry_path,
                        const BuildInfo& build);

}  // namespace nswarden
