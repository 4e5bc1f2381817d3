// SPDX-License-Identifier: Apache-2.0
// Measurements in addition to the drifts in an arena. Each prints a table and returns its figures for plot.py.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <random>
#include <string>

#include "processes.hpp"

namespace nswarden::bench {

/// Time from the return of mount() until the last setting of a new netns is compliant, `count` times.
nlohmann::json measure_creation(Daemon& daemon, std::size_t count, std::mt19937& random);

/// Alternatives to nswarden; few drifts, since each lives for seconds.
nlohmann::json measure_peers(std::mt19937& random);

/// 4000 netns with a limit of 20000 open files: with few enough settings to hold an fd for each, and with too many.
nlohmann::json measure_big(const std::string& binary);

}  // namespace nswarden::bench
