// SPDX-License-Identifier: Apache-2.0
// Which capabilities(7) a command has: those of the process that forks its shell, once these are settled so that an exec neither
// takes any away nor gives any. Nothing here allocates; safe after fork. For the supervisor of a command.
#pragma once

#include <nswarden/base/result.hpp>
#include <nswarden/policy/commands.hpp>

namespace nswarden {

/// `none`: the calling process has none from now on, nor has what it starts. `daemon`: what it starts has all that the calling
/// process has, whatever its user. After an error they are neither.
Result<void> take_rights(CommandCapabilities capabilities);

}  // namespace nswarden
