// SPDX-License-Identifier: Apache-2.0
// Texts for missing privileges and for limits of the host or container: the reason with its remedy. Main thread.
#pragma once

#include <string>
#include <vector>

namespace nswarden {

/// The text of an error, with the remedy if the error alone determines it.
std::string with_remedy(int error);

std::string enter_error_text(int error);

/// Reasons why no setting can be written in any netns, each with its remedy. Only reasons that still allow reading.
std::vector<std::string> missing_privileges();

}  // namespace nswarden
