// SPDX-License-Identifier: Apache-2.0
// Flags of fanotify for which the daemon has a replacement on older kernels.
#pragma once

#include <sys/fanotify.h>

namespace nswarden {

// FAN_REPORT_FD_ERROR, newer than the headers of Debian 12.
constexpr unsigned report_fd_error = 0x2000;
/// For fanotify_mark: ignores further writes to a file as long as its inode lives, and pins nothing (kernel fact 45).
constexpr unsigned ignore_writes_flags =
    FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE;

}  // namespace nswarden
