// SPDX-License-Identifier: Apache-2.0
// What to tell somebody whose privilege, or whose host or container, does not reach. Main thread.
#pragma once

#include <string>
#include <vector>

namespace nswarden {

/// An error as text, with what helps against it where the error alone tells.
std::string with_remedy(int error);

std::string cannot_enter_any(int error);

/// Why no setting could be set, whatever netns it is in, each with its remedy; those that do not keep us from reading.
std::vector<std::string> hindrances();

}  // namespace nswarden
