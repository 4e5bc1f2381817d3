// SPDX-License-Identifier: Apache-2.0
// The writes to one setting of one netns, as far as they matter to the next one: how often it was repaired lately, how the last
// repair failed, and which value the first one replaced. Decides when it may be written again; time is given. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nswarden/base/damping.hpp>
#include <nswarden/engine/report.hpp>

namespace nswarden {

struct RepairHistory {
  static constexpr std::int32_t no_setting = -1;
  struct Trouble {
    Outcome outcome = Outcome::failed;
    int error = 0;
    // Value that the kernel makes of the wanted one (clamped), or that another setting makes of it.
    std::string stored_instead;
    Time retry_at;  // not to be written before, after an error or while it reads like stored_instead
    std::chrono::seconds delay{0};
  };

  std::unique_ptr<Trouble> trouble;  // only while the last repair did not succeed
  std::unique_ptr<Damping> damping;  // only when it was repaired lately
  // For restoring: the bytes before the daemon changed them by a write that is not yet reported as having overwritten them.
  std::unique_ptr<std::string> before_ours;
  std::int32_t undone_by = no_setting;  // the setting whose write last made this one wrong
  bool contradiction_told = false;

  [[nodiscard]] bool suspended() const { return damping && damping->suspended(); }

  /// Whether it may be written now, while it reads `seen` and is wrong. `by_others`: another process was seen to write it.
  [[nodiscard]] bool may_write(std::string_view seen, Time now, bool by_others) const;

  /// The kernel refused a write with this errno.
  void refused(Outcome outcome, int error, Time now);
  /// The kernel took a write, and `outcome` came of it.
  void taken(Outcome outcome, Time now, const DampingRules& rules);
  /// Writes do not last: it reads `seen` after each, and is left like that for a while.
  void back_off(std::string_view seen, Time now);

 private:
  Trouble& made_trouble();
};

}  // namespace nswarden
