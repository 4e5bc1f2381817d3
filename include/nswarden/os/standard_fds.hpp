// SPDX-License-Identifier: Apache-2.0
// Files 0, 1 and 2. A program may be started with one of them closed; the next file that it opens, perhaps a sysctl of a netns,
// would get that number, and what is printed would be written there. Called once, before any thread and any file.
#pragma once

namespace nswarden {

/// Opens /dev/null in the place of each that is closed. Aborts when it cannot.
void fill_standard_fds();

}  // namespace nswarden
