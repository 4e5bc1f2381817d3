// SPDX-License-Identifier: Apache-2.0
#include "engine/setting_trace.hpp"

#include <cstdint>

#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

/// The change to report of a setting that was, was found or is wrong; none where all of it is known already.
std::optional<Change::What> kind_of(const Change& change, const SettingTrace& trace, const JudgedSetting& setting) {
  using What = Change::What;
  if (trace.contradicted && !setting.repairs.contradiction_told) return What::contradicted;
  if (setting.compliant()) return trace.last ? What::repaired : What::recovered;
  if (trace.becomes_suspended) return What::suspended;
  const bool other_value = trace.before != setting.state || trace.seen_before != setting.seen;
  if (change.detected || (other_value && !change.fought_over)) return What::drifted;
  const bool other_trouble = trace.last && trace.trouble_before != std::pair(change.outcome, change.error);
  if (other_trouble) return What::not_repaired;
  return std::nullopt;
}

}  // namespace

SettingTrace::SettingTrace(const JudgedSetting& setting) : before(setting.state), seen_before(setting.seen) {
  if (const auto* trouble = setting.repairs.trouble.get()) trouble_before = std::pair(trouble->outcome, trouble->error);
}

void SettingTrace::note_found(const JudgedSetting& setting) {
  found = *setting.state;
  found_value = setting.seen;
}

std::vector<SettingTrace> traces_of(const JudgedSettings& settings) { return {settings.begin(), settings.end()}; }

void report_changes(const std::vector<SettingTrace>& traces, JudgedSettings& settings, std::optional<Time> write_seen,
                    Report& report) {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const SettingTrace& trace = traces[i];
    const JudgedSetting& setting = settings[i];
    const bool was_wrong = trace.before && *trace.before != State::compliant;
    const bool found_wrong = trace.found != State::compliant;
    const bool wrong = !setting.compliant();
    Change change;
    change.policy = settings.planned(i).policy;
    change.written = settings.planned(i).written;
    change.setting = static_cast<std::uint32_t>(i);
    if (trace.calms_down) {
      change.what = Change::What::calmed;
      change.finding = settings.finding(i, report.netns);
      report.changes.push_back(change);
    }
    if (!was_wrong && !found_wrong && !wrong) continue;

    change.fought_over = setting.repairs.suspended();
    change.detected = !was_wrong && (found_wrong || wrong);
    if (trace.last) {
      change.outcome = trace.last->outcome;
      change.error = trace.last->error;
      change.attempted = true;
      // A later write for another setting undid this one: they contradict each other through the kernel (kernel fact 27).
      if (wrong && change.outcome == Outcome::fixed) change.outcome = Outcome::failed;
    }
    const std::optional<Change::What> kind = kind_of(change, trace, setting);
    if (!kind) continue;
    change.what = *kind;
    change.finding = settings.finding(i, report.netns);
    if (*kind == Change::What::contradicted) {
      change.other = settings.planned(static_cast<std::size_t>(setting.repairs.undone_by)).key.name();
      settings.repairs(i).contradiction_told = true;
    } else if (*kind == Change::What::suspended) {
      change.retry_in = setting.repairs.damping->delay();
    } else if (*kind == Change::What::repaired) {
      // Where another thread wrote, the visit before had found it wrong.
      const bool found_before = trace.found == State::compliant;
      if (!settings.planned(i).key.is_secret())
        change.finding.have = normalised(found_before ? trace.seen_before : trace.found_value);
      if (!report.write_seen) report.write_seen = trace.write_seen ? trace.write_seen : write_seen;
    }
    report.changes.push_back(std::move(change));
  }
}

}  // namespace nswarden
