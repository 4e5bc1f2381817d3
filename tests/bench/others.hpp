// SPDX-License-Identifier: Apache-2.0
// What is measured besides drifts in an arena. Each prints a table and gives its figures for plot.py.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <random>
#include <string>

#include "processes.hpp"

namespace nswarden::bench {

/// From the return of mount() to the last setting of a new netns right, `count` times.
nlohmann::json measure_creation(Daemon& daemon, std::size_t count, std::mt19937& random);

/// What people use instead; with few drifts, as they live for seconds.
nlohmann::json measure_peers(std::mt19937& random);

/// 4000 netns within 20000 open files, with so few settings that each has its fd, and with too many for that.
nlohmann::json measure_big(const std::string& binary);

}  // namespace nswarden::bench
