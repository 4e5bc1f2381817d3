// SPDX-License-Identifier: Apache-2.0
// What is known of keys beyond their names: one table (in key_traits.cpp), which tests/netns/survey_test.cpp holds against the
// running kernel. A key that the table does not know is an ordinary one. Pure, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "policy/value_forms.hpp"

namespace nswarden {

struct KeyTraits {
  ValueForm form = ValueForm::words;
  std::uint8_t numbers = 0;         ///< how many numbers a value has, always; 0: not known, or no numbers
  bool wide = false;                ///< its numbers have 64 bits; those of all others have 32
  bool secret = false;              ///< mode 0600 (kernel fact 29): its value is never shown
  bool write_only = false;          ///< route/flush: nothing can be wanted of it
  bool read_only = false;           ///< nobody can write it: it can only be audited
  bool global = false;              ///< a write in any netns changes it for the whole host (kernel fact 30)
  bool read_only_in_child = false;  ///< only the host's own netns can write it (kernel fact 30)
  bool only_in_first = false;       ///< no netns but the host's own has it (kernel fact 30)
  bool waits_for_rtnl = false;      ///< a write that changes it (kernel fact 23)
  bool needs_entering = false;      ///< handlers that use the caller's netns before Linux 6.13 (kernel fact 14)

  friend bool operator==(const KeyTraits&, const KeyTraits&) = default;
};

/// `path` as Key::path() gives it; for a pattern, with its globs: those of all keys that it may stand for in the place of an
/// interface. Where the last component has a glob nothing is known.
KeyTraits traits_of(std::string_view path);

}  // namespace nswarden
