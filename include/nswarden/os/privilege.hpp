// SPDX-License-Identifier: Apache-2.0
// Texts for missing privileges and for limits of the host or container: the reason with its remedy. Main thread.
#pragma once

#include <string>
#include <vector>

namespace nswarden {

/// An error as text, with the remedy where the error alone determines it.
std::string with_remedy(int error);

std::string cannot_enter_any(int error);

/// Why no setting could be set in any netns, each with its remedy; only reasons that leave reading possible.
std::vector<std::string> hindrances();

}  // namespace nswarden
