// SPDX-License-Identifier: Apache-2.0
// Whether somebody reads what is written to an fd on a screen that understands colours. Any thread.
#pragma once

namespace nswarden {

/// False for pipes, files and TERM=dumb.
bool is_terminal(int fd);

}  // namespace nswarden
