// SPDX-License-Identifier: Apache-2.0
// Attributes of this process and of the calling thread: the limit of open files, which bounds how many sysctls can be held (kernel
// fact 20), files 0 to 2, turns of the scheduler; and the kernel's tick. Any thread, except where a function says otherwise.
#pragma once

#include <chrono>
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

/// Opens /dev/null in the place of each of the files 0, 1 and 2 that is closed. A program may be started so; the next file that it
/// opens, perhaps a sysctl of a netns, would get that number, and output would be written there. Called once, before any thread and
/// any file. Aborts when it cannot.
void fill_standard_fds();

/// Asks for turns of 0.1 ms for the calling thread. On a busy core, Linux since 6.12 lets a thread with short turns run soon after it
/// wakes, rather than at the next tick, which is up to 4 ms away. It needs no capability and gives no additional time. Threads and
/// processes that it makes have turns of the usual length, and no niceness below 0. Under another policy than SCHED_OTHER nothing
/// happens (kernel fact 58).
void ask_for_short_turns();

/// The calling thread gives way to those of usual priority (nice 10): with all cores busy it has a tenth of the time that each of them has.
void give_way();

/// The kernel's tick, to which it rounds some values (kernel fact 28): 1 s / HZ; 0 when it is unknown.
std::chrono::nanoseconds kernel_tick();

}  // namespace nswarden
