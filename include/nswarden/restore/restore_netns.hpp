// SPDX-License-Identifier: Apache-2.0
// Puts back what was found in a netns before policies with `restore` changed it, as far as nobody else has changed it since.
// The kernel is asked before each write and after it. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include "restore/restore_book.hpp"

namespace nswarden {

/// Where a netns was last seen, and which one it has to be.
struct NetnsPlace {
  std::uint64_t cookie = 0;     ///< never 0
  std::uint16_t directory = 0;  ///< index into the catalog's sources
  std::string name;
};

/// What became of one entry.
struct Restored {
  enum class What : std::uint8_t {
    restored,           ///< the value is what was found, by whatever doing
    changed_by_others,  ///< it was neither what we stored nor what was found: it stays as it was
    gone,               ///< there is no such key any more: the interface went
    netns_gone,         ///< another netns or none is at that name
    failed,             ///< `error` says why; 0: the kernel made another value of what was found
  };
  RestoreBook::Entry entry;
  What what = What::failed;
  int error = 0;     ///< errno
  std::string have;  ///< afterwards, normalised; empty when that is not known
};
/// "restored", "changed by others", "gone" (both), "failed".
std::string_view to_string(Restored::What what);
/// Whether there is nothing left to be put back later: the book can forget the entry.
bool is_settled(const Restored& result);

/// One outcome for each entry, in the order of the entries, which have to be in write order (RestoreBook::entries). The catalog
/// makes its writes at once: what it hands over is EAGAIN here. `tick` is the kernel's.
std::vector<Restored> restore_netns(NetnsCatalog& catalog, const NetnsPlace& place, std::vector<RestoreBook::Entry> entries,
                                    std::chrono::nanoseconds tick);

}  // namespace nswarden
