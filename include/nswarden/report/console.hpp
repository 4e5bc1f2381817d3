// SPDX-License-Identifier: Apache-2.0
// How one-shot commands end and how they speak to whoever started them: exit codes, colours, one line on stderr. Main thread.
#pragma once

#include <string_view>

#include <nswarden/report/render.hpp>

namespace nswarden {

enum ExitCode : int { exit_compliant = 0, exit_drifted = 1, exit_usage = 2, exit_unreadable = 3 };

/// What a command has to say besides its report: one line on stderr.
void complain(std::string_view line);

/// Colour::always on a terminal that understands colours (not with TERM=dumb), unless NO_COLOR is set.
Colour colour_of_stdout();

}  // namespace nswarden
