// SPDX-License-Identifier: Apache-2.0
// Properties of keys beyond their names, from one table in key_traits.cpp. tests/netns/survey_test.cpp checks the table against
// the running kernel. Keys that are absent from the table have default traits. Where kernels differ, a trait that restricts a key
// has the version that ended it, so that no kernel decides which configuration is valid. Pure, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "policy/value_forms.hpp"

namespace nswarden {

/// A series of Linux such as 6.12.
struct KernelVersion {
  std::uint8_t version = 0;
  std::uint8_t patch_level = 0;
  friend constexpr bool operator==(const KernelVersion&, const KernelVersion&) = default;
  friend constexpr bool operator<(const KernelVersion& a, const KernelVersion& b) {
    return a.version != b.version ? a.version < b.version : a.patch_level < b.patch_level;
  }
};

struct KeyTraits {
  ValueForm form = ValueForm::words;
  std::uint8_t numbers = 0;         ///< numbers per value, fixed; 0: unknown, or not numeric
  bool wide = false;                ///< 64-bit numbers instead of 32-bit
  bool secret = false;              ///< mode 0600 (kernel fact 29): the value is never shown
  bool write_only = false;          ///< route/flush: cannot have a desired value
  bool read_only = false;           ///< not writable: audit only
  bool global = false;              ///< a write in any netns changes the whole host (kernel fact 30)
  bool read_only_in_child = false;  ///< writable only in the host's own netns (kernel fact 30)
  bool host_only = false;           ///< exists only in the host's own netns (kernel fact 30)
  bool waits_for_rtnl = false;      ///< writes that change the value wait for RTNL (kernel fact 23)
  bool needs_entering = false;      ///< handlers use the caller's netns before Linux 6.13 (kernel fact 14)

  // Where kernels differ. A version is the oldest series that was booted and has the later behaviour.
  KernelVersion host_only_before{};  ///< exists only in the host's own netns on older kernels
  KernelVersion rtnl_since{};        ///< waits_for_rtnl only since then

  friend bool operator==(const KeyTraits&, const KeyTraits&) = default;
};

/// `path` comes from Key::path(), or from a pattern with its globs. A glob in the interface position gets the traits of all
/// keys that it may match. A path with a glob in the last component has default traits.
KeyTraits traits_of(std::string_view path);

}  // namespace nswarden
