// SPDX-License-Identifier: Apache-2.0
// The limit of open files, which bounds how many sysctls can be held (kernel fact 20). Any thread.
#pragma once

#include <cstddef>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Soft limit of this process; the largest number when there is none.
std::size_t open_files_limit();

/// Sets the soft limit of this process.
Result<void> set_open_files_limit(std::size_t files);

/// Raises the soft limit to the hard one and returns it. Ask open_files_limit() before: children get the old one back, since
/// some programs close every fd up to it.
Result<std::size_t> raise_open_files();

}  // namespace nswarden
