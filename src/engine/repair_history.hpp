// SPDX-License-Identifier: Apache-2.0
// History of the writes to one setting of one netns, as far as the next one depends on it: how often it was repaired lately,
// how the last repair failed, and which value the first one replaced. Decides when the setting may be written again; the caller
// passes the time. Loop thread only.
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
  struct Failure {
    Outcome outcome = Outcome::failed;
    int error = 0;
    // Value stored by the kernel instead of the wanted one (clamped), or caused by another setting.
    std::string stored_instead;
    Time retry_at;  // earliest next write, after an error or while the value reads like stored_instead
    std::chrono::seconds delay{0};
  };

  std::unique_ptr<Failure> failure;  // only while the last repair did not succeed
  std::unique_ptr<Damping> damping;  // only when it was repaired lately
  // For restoring: the bytes before the daemon's write, until a report lists them as overwritten.
  std::unique_ptr<std::string> before_write;
  std::int32_t undone_by = no_setting;  // the setting whose write last undid this one
  bool contradiction_reported = false;

  [[nodiscard]] bool suspended() const { return damping && damping->suspended(); }

  /// Whether it may be written now, while it reads `seen` and is not compliant. `by_other_process`: another process was seen to
  /// write it.
  [[nodiscard]] bool may_write(std::string_view seen, Time now, bool by_other_process) const;

  /// The kernel refused a write with this errno.
  void refused(Outcome outcome, int error, Time now);
  /// The kernel took a write, with this outcome.
  void accepted(Outcome outcome, Time now, const DampingRules& rules);
  /// Writes do not last: the setting reads `seen` after each. Delays the next write.
  void back_off(std::string_view seen, Time now);

 private:
  Failure& ensure_failure();
};

}  // namespace nswarden
