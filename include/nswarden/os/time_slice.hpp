// SPDX-License-Identifier: Apache-2.0
// How soon the scheduler lets us run when there is something to do.
#pragma once

namespace nswarden {

/// Asks for turns of 0.1 ms for the calling thread. On a core that is busy, Linux from 6.12 on lets who asks for short turns have his
/// turn soon, rather than at the next tick, which is up to 4 ms away. No right is needed and no more time is had. Threads and
/// processes that it makes have turns of the usual length, and no niceness below 0. Under another policy than SCHED_OTHER nothing
/// happens (kernel fact 58).
void ask_for_short_turns();

/// The calling thread gives way to those of usual priority (nice 10): with all cores busy it has a tenth of the time that each of them has.
void give_way();

}  // namespace nswarden
