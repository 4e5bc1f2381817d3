// SPDX-License-Identifier: Apache-2.0
#include "engine/visit.hpp"

#include <cerrno>
#include <utility>

#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

constexpr int max_tries_per_visit = 2;
constexpr std::size_t max_writes_in_flight = 64;
// Each write is followed by reading all keys, at about 1 us per key: this bounds the time of one visit.
constexpr std::size_t max_keys_read_per_visit = 8192;
// For example when thousands of netns wait for the thread of slow writes.
constexpr std::chrono::milliseconds first_busy_delay{20};
constexpr std::chrono::milliseconds last_busy_delay{1280};

constexpr Error stale{ESTALE, "read sysctls"};

bool any_vanished(std::span<const Reading> readings) {
  return std::any_of(readings.begin(), readings.end(),
                     [](const Reading& reading) { return reading.status == Reading::Status::vanished; });
}

Outcome outcome_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS: return Outcome::refused;
    case EINVAL:
    case ERANGE: return Outcome::rejected;
    default: return Outcome::failed;
  }
}

}  // namespace

Result<Visit::End> Visit::make() {
  if (const Result<void> read = read_all(); !read) return read.error();
  settings_.keep_observed(readings_);
  const bool slow_write_ended = memory_.slow_write && memory_.slow_write->ended();
  const bool due = slow_write_ended || (memory_.retry_at && context_.now >= *memory_.retry_at);
  if (context_.now >= memory_.repairs_forgotten_at) forget_old_repairs();
  if (!due && memory_.was_compliant && settings_.equals_compliant_bytes(readings_)) return End::done;

  judge_all();
  note_fights();
  if (slow_write_ended) conclude_slow_write();
  // New interfaces must not wait for all writes to the existing ones.
  const bool search_first = memory_.globs_due && !memory_.slow_write;
  Result<void> repaired;
  if (!search_first && !settings_.all_compliant()) repaired = repair();
  // Also after a visit that was cut short: its findings and writes are valid, and the next visit continues from there.
  plan_next_visit();
  settings_.report_changes(traces_, context_.write_seen, report_);
  if (!repaired) return repaired.error();
  if (search_first) return make();
  if (settings_.all_compliant()) {
    // Otherwise two accidents, days apart, would look like a contradiction.
    for (std::size_t i = 0; i < settings_.size(); ++i) settings_.repairs(i).undone_by = RepairHistory::no_setting;
    if (settings_.size() > 0 && !std::exchange(memory_.was_compliant, true)) report_.first_seen = memory_.first_seen;
  }
  return more_ ? End::more : End::done;
}

/// Reads the keys that exist now. Does not change the set of keys while a slow write refers to settings by index.
Result<void> Visit::read_all() {
  using PlanBefore = std::shared_ptr<const ResolvedPlan>;
  const PlanBefore before = settings_.plan();
  if (memory_.globs_due && !memory_.slow_write) {
    const Result<PlanBefore> left = adopt_present_keys();
    if (!left) return left.error();
    if (*left != settings_.plan()) {
      if (const auto held = netns_.hold(settings_.plan()->key_requests); !held) return held.error();
    }
  }
  const bool search = !std::exchange(memory_.fresh, false) && settings_.should_search_missing();
  if (search && !netns_.find_missing().ok()) return stale;
  auto readings = netns_.read();
  if (readings && any_vanished(*readings) && !before->shared->globs().empty() && !memory_.slow_write) {
    // An interface is gone, or the whole netns, which find() will report. The same names may belong to new interfaces, and then
    // the held keys are dead.
    const Result<PlanBefore> left = adopt_present_keys();
    if (!left) return left.error();
    if (const auto held = netns_.hold(settings_.plan()->key_requests); !held) return held.error();
    readings = netns_.read();
  }
  if (!readings || any_vanished(*readings)) return stale;
  readings_ = *readings;
  // The indices were those of other settings.
  if (settings_.plan() != before) context_.written_to = {};
  return {};
}

/// Adopts the keys that its globs match now. Returns the previous plan, because the binding refers to it until it holds the new
/// keys.
Result<std::shared_ptr<const ResolvedPlan>> Visit::adopt_present_keys() {
  memory_.globs_due = false;
  std::shared_ptr<const ResolvedPlan> before = settings_.plan();
  auto found = netns_.find(before->shared->globs());
  if (!found) return found.error();
  auto now = before->shared->resolve(std::move(*found));
  if (now != before) settings_.adopt(std::move(now));
  return before;
}

void Visit::judge_all() {
  traces_ = {settings_.begin(), settings_.end()};
  settings_.judge(readings_, context_.now, context_.tick);
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    traces_[i].note_found(settings_[i]);
    if (settings_[i].compliant()) settings_.repairs(i).before_write.reset();
  }
}

/// Passes the new judgements to the dampings.
void Visit::note_fights() {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    Damping* damping = settings_.repairs(i).damping.get();
    if (damping == nullptr) continue;
    if (settings_[i].compliant()) {
      traces_[i].suspension_ended = damping->found_compliant(context_.now, context_.damping);
    } else {
      traces_[i].becomes_suspended = damping->found_drifted(context_.now, context_.damping);
    }
  }
}

/// Writes differences and reads all keys in turns: a write can fix or undo other keys (kernel fact 27), and rewriting the
/// present value is not harmless (fact 26).
Result<void> Visit::repair() {
  for (std::size_t keys_read = 0;; keys_read += settings_.size()) {
    const std::vector<std::size_t> writes = next_writes();
    if (writes.empty()) return {};
    // Other netns wait: the next visit, due immediately, writes the rest.
    more_ = keys_read >= max_keys_read_per_visit;
    if (more_) return {};
    const std::optional<std::vector<Written>> written = write(writes);
    if (!written) return {};
    std::vector<Before> before;
    if (written->size() == 1) {
      before.reserve(settings_.size());
      for (const JudgedSetting& setting : settings_) before.push_back({setting.state, setting.seen});
    }
    const auto readings = netns_.read();
    if (!readings || any_vanished(*readings)) return stale;
    settings_.judge(*readings, context_.now, context_.tick);
    for (const Written& one : *written) conclude(one, before);
  }
}

/// Returns the settings to write before all keys are read again: the first difference; or several, if all are keys of
/// interfaces, which change no other keys. Keys that wait for RTNL do change others.
std::vector<std::size_t> Visit::next_writes() const {
  std::vector<std::size_t> writes;
  const auto changes_no_other = [&](std::size_t index) {
    const Key& key = settings_.planned(index).key;
    return key.write_rank() == WriteRank::conf_interface && !key.waits_for_rtnl();
  };
  for (std::size_t i = 0; i < settings_.size() && writes.size() < max_writes_in_flight; ++i) {
    if (!may_write(i)) continue;
    if (!writes.empty() && !changes_no_other(i)) break;
    writes.push_back(i);
    if (!changes_no_other(i)) break;
  }
  return writes;
}

bool Visit::may_write(std::size_t index) const {
  if (!context_.write || settings_.planned(index).mode != Mode::enforce || memory_.slow_write) return false;
  const JudgedSetting& setting = settings_[index];
  // stable_secret returns EIO until its first write (kernel fact 29).
  const bool never_written = setting.state == State::unreadable && setting.error == EIO;
  if (setting.state != State::drifted && !never_written) return false;
  const SettingTrace& trace = traces_[index];
  if (trace.stop || trace.tries == max_tries_per_visit) return false;
  return trace.tries > 0 || setting.repairs.may_write(setting.seen, context_.now, context_.was_written_to(index));
}

/// Returns nullopt when a write has to be awaited: another thread makes it, or has no room for it.
std::optional<std::vector<Visit::Written>> Visit::write(const std::vector<std::size_t>& settings) {
  std::vector<Written> written;
  for (const std::size_t index : settings) {
    SettingTrace& trace = traces_[index];
    ++trace.tries;
    const JudgedSetting& setting = settings_[index];
    std::string found = setting.repairs.before_write ? *setting.repairs.before_write : setting.seen;
    const Result<BoundNetns::Write> result = netns_.write(index, *settings_.planned(index).setting->want.set());
    if (result && *result == BoundNetns::Write::handed_over) {
      // It may change other keys too, so all their writes wait for it.
      const std::optional<Time> seen = context_.write_seen ? context_.write_seen : trace.write_seen;
      const bool by_other_process = context_.was_written_to(index) || trace.by_other_process;
      memory_.slow_write =
          SlowWrite{index, trace.tries, trace.stored_instead, report_.source, found, seen, by_other_process, {}};
      return std::nullopt;
    }
    if (!result && result.error().code == EAGAIN) {
      busy_ = true;
      return std::nullopt;
    }
    written.push_back({index, std::move(found), result ? 0 : result.error().code});
  }
  return written;
}

/// Accounts for the slow write as if this visit had made it.
void Visit::conclude_slow_write() {
  const SlowWrite slow = *std::exchange(memory_.slow_write, std::nullopt);
  SettingTrace& trace = traces_[slow.setting];
  trace.tries = slow.tries;
  trace.stored_instead = slow.stored_instead;
  trace.write_seen = slow.write_seen;
  trace.by_other_process = slow.by_other_process;
  if (report_.source == Source::reconcile) report_.source = slow.source;
  std::vector<Before> before;
  before.reserve(traces_.size());
  for (const SettingTrace& one : traces_) before.push_back({one.before, one.seen_before});
  conclude({slow.setting, slow.found, *slow.error}, before);
}

/// A write has ended, and all keys have been read since. `before`: all settings before the write; empty for one of several
/// writes.
void Visit::conclude(const Written& write, std::span<const Before> before) {
  if (write.error != 0) {
    traces_[write.setting].stop = true;
    end_attempt(write.setting, outcome_of(write.error), write.error);
    return settings_.repairs(write.setting).refused(outcome_of(write.error), write.error, context_.now);
  }
  if (!before.empty()) {
    note_undone(write.setting, before);
    keep_side_effects(write.setting, before);
  }
  conclude_accepted(write.setting);
  keep_overwritten(write);
}

/// The kernel took the value, and the setting has been read since.
void Visit::conclude_accepted(std::size_t index) {
  const JudgedSetting& setting = settings_[index];
  SettingTrace& trace = traces_[index];
  RepairHistory& repairs = settings_.repairs(index);
  const auto conclude = [&](Outcome outcome) {
    end_attempt(index, outcome, 0);
    repairs.accepted(outcome, context_.now, context_.damping);
  };
  if (setting.compliant()) return conclude(Outcome::fixed);
  if (trace.tries < max_tries_per_visit) {
    trace.stored_instead = setting.seen;
    return;
  }
  // A process that writes in a tight loop looks like a kernel that clamps.
  const bool by_other_process =
      context_.was_written_to(index) || trace.by_other_process || repairs.suspended() || setting.seen != trace.stored_instead;
  if (setting.state != State::drifted || by_other_process) return conclude(Outcome::failed);
  repairs.back_off(setting.seen, context_.now);
  conclude(Outcome::clamped);
}

void Visit::end_attempt(std::size_t index, Outcome outcome, int error) {
  traces_[index].last = Attempt{settings_.planned(index).policy, settings_.planned(index).written, outcome, error};
  report_.attempts.push_back(*traces_[index].last);
}

/// Notes settings that were compliant before a write for the setting `writer` and drifted after it: the kernel changed them
/// (kernel fact 27). That is harmless if they can be repaired; two settings that undo each other would be written in turn
/// forever.
void Visit::note_undone(std::size_t writer, std::span<const Before> before) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const bool undone = before[i].state == State::compliant && settings_[i].state == State::drifted;
    if (!undone || i == writer || context_.was_written_to(i) || settings_.planned(i).mode != Mode::enforce) continue;
    settings_.repairs(i).undone_by = static_cast<std::int32_t>(writer);
    if (!settings_.contradicted(i)) continue;
    traces_[i].contradicted = true;
    traces_[i].stop = true;
    settings_.repairs(i).back_off(settings_[i].seen, context_.now);
  }
}

/// A write for one setting can change others (kernel fact 27). The repairs of those replace values that the daemon caused
/// itself.
void Visit::keep_side_effects(std::size_t writer, std::span<const Before> before) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const JudgedSetting& setting = settings_[i];
    const bool changed = setting.state == State::drifted && !before[i].seen.empty() && setting.seen != before[i].seen;
    if (!changed || i == writer || setting.repairs.before_write || context_.was_written_to(i) || !settings_.restores(i))
      continue;
    settings_.repairs(i).before_write = std::make_unique<std::string>(before[i].seen);
  }
}

/// Records the value to restore when a policy that restores is removed. A value that did not stay may come from another
/// process.
void Visit::keep_overwritten(const Written& write) {
  if (!settings_.restores(write.setting)) return;
  const JudgedSetting& setting = settings_[write.setting];
  auto& before_write = settings_.repairs(write.setting).before_write;
  const std::optional<Attempt>& last = traces_[write.setting].last;
  if (setting.compliant() || (last && last->outcome == Outcome::clamped)) {
    const PlannedSetting& plan = settings_.planned(write.setting);
    report_.overwritten.push_back({plan.key, plan.policy, normalised(write.found), normalised(setting.seen)});
    before_write.reset();
  } else if (!before_write) {
    before_write = std::make_unique<std::string>(write.found);
  }
}

void Visit::forget_old_repairs() {
  memory_.repairs_forgotten_at = Time::max();
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    auto& damping = settings_.repairs(i).damping;
    if (!damping) continue;
    const Time ends = damping->ends(context_.damping);
    if (context_.now >= ends) {
      damping.reset();
    } else {
      memory_.repairs_forgotten_at = std::min(memory_.repairs_forgotten_at, ends);
    }
  }
}

/// Finds out when the next visit has something to do without an event.
void Visit::plan_next_visit() {
  memory_.retry_at.reset();
  memory_.repairs_forgotten_at = Time::max();
  // Ignore times in the past: there is another reason why the write was not made.
  const auto at = [this](Time time) {
    if (time > context_.now) memory_.retry_at = std::min(memory_.retry_at.value_or(time), time);
  };
  memory_.busy_delay =
      busy_ ? std::clamp(memory_.busy_delay * 2, first_busy_delay, last_busy_delay) : std::chrono::milliseconds(0);
  if (std::exchange(busy_, false)) at(context_.now + memory_.busy_delay);
  for (const JudgedSetting& setting : settings_) {
    const bool compliant = setting.compliant();
    const RepairHistory& repairs = setting.repairs;
    if (repairs.damping) {
      if (compliant) (void)repairs.damping->found_compliant(context_.now, context_.damping);
      if (repairs.damping->suspended()) at(repairs.damping->due(context_.damping));
      memory_.repairs_forgotten_at = std::min(memory_.repairs_forgotten_at, repairs.damping->ends(context_.damping));
    }
    if (repairs.failure && repairs.failure->error != 0 && !compliant) at(repairs.failure->retry_at);
  }
}

}  // namespace nswarden
