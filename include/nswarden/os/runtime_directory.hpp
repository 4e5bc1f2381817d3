// SPDX-License-Identifier: Apache-2.0
// Where what a running nswarden keeps lies, and words for locks there.
#pragma once

#include <cstdint>
#include <string>

namespace nswarden {

/// $RUNTIME_DIRECTORY, or /run/nswarden. It need not exist.
std::string runtime_directory();

/// "another nswarden (pid 7)"; 0: of another PID namespace.
std::string holder(std::int64_t pid);

/// Why a file could not be locked, by its errno.
std::string lock_error(int error);

}  // namespace nswarden
