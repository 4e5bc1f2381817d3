// SPDX-License-Identifier: Apache-2.0
// Restores the values that a netns had before policies with `restore` changed it, except those that another process has changed
// since. Reads from the kernel before and after each write. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include "restore/restore_book.hpp"

namespace nswarden {

/// The last known place of a netns, and its required identity.
struct NetnsPlace {
  std::uint64_t cookie = 0;     ///< never 0
  std::uint16_t directory = 0;  ///< index into the catalog's sources
  std::string name;
};

/// The outcome for one entry.
struct Restored {
  enum class Kind : std::uint8_t {
    restored,           ///< the value is the one found originally, even without a write here
    changed_by_others,  ///< the value was neither the stored nor the found one, and was left unchanged
    gone,               ///< the key no longer exists: its interface is gone
    netns_gone,         ///< the name leads to another netns, or to none
    failed,             ///< `error` is the errno; 0: the kernel stored another value than the found one
  };
  RestoreBook::Entry entry;
  Kind kind = Kind::failed;
  int error = 0;     ///< errno
  std::string have;  ///< afterwards, normalised; empty when unknown
};
/// "restored", "changed by others", "gone" (both), "failed".
std::string_view to_string(Restored::Kind kind);
/// Whether nothing is left to restore later: the book can forget the entry.
bool is_settled(const Restored& result);

/// Returns one outcome per entry, in the order of the entries, which must be in write order (RestoreBook::entries). The catalog
/// must write synchronously: a handed-over write counts as EAGAIN. `tick` is the kernel's.
std::vector<Restored> restore_netns(NetnsCatalog& catalog, const NetnsPlace& place, std::vector<RestoreBook::Entry> entries,
                                    std::chrono::nanoseconds tick);

}  // namespace nswarden
