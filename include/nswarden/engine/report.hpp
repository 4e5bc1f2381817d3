// SPDX-License-Identifier: Apache-2.0
// Plain data made by the engine: the report of a visit (states, attempts, changes), and the reconciler's answers to queries
// (findings, counts). Metrics, log, snapshot and reports are built from these.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/base/result.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

/// Each setting of each bound netns has exactly one state.
enum class State : std::uint8_t { compliant, drifted, missing, unreadable };
/// Why a setting is not compliant; the label `reason` of nswarden_sysctl_drift.
enum class Reason : std::uint8_t { none, value, missing, unreadable, clamped, suspended };
/// Why a netns was visited; the label `source` of nswarden_drift_detected_total.
enum class Source : std::uint8_t { startup, create, event, reconcile };
/// How one write ended.
enum class Outcome : std::uint8_t {
  fixed,     ///< read back as wanted
  refused,   ///< EACCES, EPERM, EROFS: not permitted
  rejected,  ///< EINVAL, ERANGE: the kernel does not accept this value
  clamped,   ///< accepted twice, but the kernel stored another value, the same both times
  failed,    ///< any other failure, including a value that another process changed before it was read back
};

std::string_view to_string(State state);
std::string_view to_string(Reason reason);
std::string_view to_string(Source source);
std::string_view to_string(Outcome outcome);

inline constexpr std::array all_sources{Source::startup, Source::create, Source::event, Source::reconcile};

/// The label `reason` of nswarden_action_failures_total for a write that ended with `error` (0: the value read back differs
/// from the written one).
std::string_view failure_reason(int error);
inline constexpr std::array<std::string_view, 10> all_failure_reasons{"enoent",   "eacces", "eperm",   "einval", "erofs",
                                                                      "readback", "setns",  "timeout", "exit",   "other"};

/// The same for a command.
inline constexpr std::array<std::string_view, 3> all_command_failures{"timeout", "exit", "other"};

/// A setting of a netns, as `check` lists it.
struct Finding {
  std::string netns;  ///< label: the name in the first directory, the full path in others; bytes, not yet printable()
  std::string policy;
  std::string key;   ///< dotted
  std::string want;  ///< `redacted` for secrets
  std::string have;  ///< normalised; empty when missing or unreadable; `redacted` for secrets
  State state = State::compliant;
  Reason reason = Reason::none;
  int error = 0;                                  ///< errno when unreadable, or of the failed write when drifted
  std::string note{};                             ///< of the setting
  std::chrono::steady_clock::time_point since{};  ///< when it was first found compliant, or not compliant
};

/// Which settings are listed.
enum class WhichSettings : std::uint8_t { not_compliant, all };

/// Compliance of one netns with one policy that matches it.
struct NetnsDrift {
  std::string netns;  ///< label, bytes
  std::string policy;
  std::size_t not_compliant = 0;  ///< settings of the netns that this policy owns
};

/// A value that is only exported, with at least one number.
struct Observed {
  std::string netns;            ///< label, bytes
  std::string key;              ///< dotted
  std::vector<double> numbers;  ///< of the value, in its order; other words are skipped
};

/// A value that the daemon's write replaced, for policies that restore.
struct Overwritten {
  Key key;
  PolicyIndex policy = 0;
  std::string found;   ///< before the write, normalised
  std::string stored;  ///< by the kernel after the write, normalised
};

/// One write.
struct Attempt {
  PolicyIndex policy = 0;
  KeyIndex key = 0;
  Outcome outcome = Outcome::fixed;
  int error = 0;  ///< errno when refused, rejected or failed, 0 when the value read back differs
};

/// A change of one setting since the last visit; one log line each.
struct Change {
  enum class Kind : std::uint8_t {
    drifted,       ///< became drifted, missing or unreadable, or stayed so with another value
    repaired,      ///< was so, and the daemon repaired it
    recovered,     ///< was so, and is compliant without a repair
    not_repaired,  ///< a repair ended differently from the last one; see outcome and error
    suspended,     ///< it keeps being changed back; from here on repairs are rare
    calmed,        ///< the suspension is over
    contradicted,  ///< `other` is a setting of the policies that cannot hold together with this one
  };
  Kind kind = Kind::drifted;
  bool detected = false;  ///< counts as new drift: it was compliant or unknown at the last visit
  PolicyIndex policy = 0;
  std::uint32_t setting = 0;  ///< index into the keys that its netns was bound with
  Finding finding;            ///< after the visit; for `repaired`, `have` is the value found
  bool attempted = false;     ///< whether this visit wrote; `outcome` and `error` are of the last write
  Outcome outcome = Outcome::fixed;
  int error = 0;
  bool contended = false;            ///< it is suspended: such changes recur without end
  std::chrono::seconds retry_in{0};  ///< of `suspended`
  KeyIndex written = 0;              ///< the key as written in the policy
  std::string other{};               ///< of `contradicted`: its key, dotted
};

struct Totals {
  std::size_t netns = 0;
  std::size_t settings = 0;  ///< always compliant + drifted + missing + unreadable
  std::size_t compliant = 0;
  std::size_t drifted = 0;
  std::size_t missing = 0;
  std::size_t unreadable = 0;
  std::size_t fixed = 0;   ///< attempts
  std::size_t failed = 0;  ///< attempts that ended any other way
};

/// The changes that one visit to one netns found. A visit without changes makes no report.
struct Report {
  /// Change of the netns itself.
  enum class Life : std::uint8_t {
    unchanged,
    governed,      ///< bound for the first time in its life
    unmatched,     ///< entered for the first time in its life; no policy matches
    gone,          ///< its last name is gone, or it died
    host_refused,  ///< a name of the host's own netns, which is never changed
    cannot_enter,  ///< `error` is new; its settings are unreadable
  };
  std::string netns;        ///< label, bytes
  std::uint64_t inode = 0;  ///< of its nsfs file
  Life life = Life::unchanged;
  Error error;
  Source source = Source::reconcile;
  std::vector<Change> changes;
  std::vector<Attempt> attempts;
  std::uint64_t cookie = 0;  ///< of its life, 0 if it was never bound
  std::vector<Overwritten> overwritten;
  /// Policies that match it for the first time in its life, ascending: their commands are due. A reload never adds any.
  std::vector<PolicyIndex> newly_matched;
  /// Set when a drift reported by a write event was repaired: when that event was read.
  std::optional<Time> write_seen;
  /// Set when all settings of a netns are compliant for the first time in its life: when its entry was first seen.
  std::optional<Time> first_seen;
};

/// Counts over all bound netns at one moment.
struct Overview {
  struct OfPolicy {
    std::size_t netns = 0;
    std::size_t settings = 0;
    std::size_t not_compliant = 0;
    std::size_t suspended = 0;
    std::size_t conflicts = 0;
  };
  std::vector<OfPolicy> policies;  ///< as in the PolicySet
  Totals totals;                   ///< without attempts
  std::size_t unmatched = 0;
  std::size_t pending = 0;
  std::size_t held_keys = 0;
  std::size_t directory_keys = 0;
  std::size_t transient_keys = 0;
  std::size_t observed = 0;  ///< numbers in values that are only exported
};

/// A bound netns and one of its names.
struct NamedNetns {
  NetnsId id;
  std::uint16_t directory = 0;
  std::string name;
  std::string label;
  std::vector<PolicyIndex> matched;
  const Resolution* resolution = nullptr;  ///< never null; valid until the reconciler's next step() or set_policies()
};

}  // namespace nswarden
