// SPDX-License-Identifier: Apache-2.0
#include "cli/check_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include <nswarden/base/text.hpp>
#include <nswarden/daemon/daemon.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/report/console.hpp>
#include <nswarden/report/policy_review.hpp>
#include <nswarden/report/render.hpp>
#include "cli/chosen_netns.hpp"
#include "cli/restore_command.hpp"

namespace nswarden {
namespace {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

/// One sweep of the engine over the selected netns.
class Sweep {
 public:
  Sweep(const Options& options, const LoadedConfig& configuration)
      : options_(options),
        netns_(options, configuration.config),
        policies_(std::make_shared<PolicySet>(configuration.config, PolicySet::Audit::as_configured)),
        reconciler_(netns_.selected(), policies_, reconciler_options()) {
    netns_.catalog().enable_kinds(kinds_of_names(*policies_));
  }

  int run() {
    if (netns_.print_enter_problem()) return exit_unreadable;
    if (options_.command == Command::check) warn_invisible_writes();
    const auto now = std::chrono::steady_clock::now();
    const bool unlisted = netns_.print_list_failures(sweep(now));
    const CheckReport report = judge(now);
    fmt::print("{}", options_.output == Output::json ? check_json(report) : check_table(report, colour_of_stdout()));
    if (options_.dry_run && options_.output == Output::table) fmt::print("dry run: nothing was written\n");
    const bool missing = netns_.print_missing_names();
    if (report.totals.drifted + report.totals.missing > 0) return exit_drifted;
    return report.compliant() && !unlisted && !missing ? exit_compliant : exit_unreadable;
  }

  ChosenNetns& netns() { return netns_; }

  /// Parts of the configuration that none of the netns needs.
  std::vector<UnusedPart> unused() {
    const auto now = std::chrono::steady_clock::now();
    (void)sweep(now);
    return find_unused(reconciler_, now);
  }

  /// Explains the named netns, which need not exist; includes its current state if it can be read.
  Explanation explain(const std::string& source) {
    Explanation explanation;
    explanation.netns = options_.netns.front();
    explanation.source = source;
    explanation.policies = policies_.get();
    std::vector<NamedNetns> found;
    explanation.unchecked_reason = netns_.enter_problem();
    if (explanation.unchecked_reason.empty()) {
      (void)sweep(std::chrono::steady_clock::now());
      explanation.findings = reconciler_.findings(WhichSettings::all, unlimited);
      found = reconciler_.known();
      if (found.empty()) explanation.unchecked_reason = "no netns has this name now";
    }
    // Its other names count too.
    const Plan plan = policies_->plan(found.empty() ? matched_by_name(explanation.netns) : found.front().matched);
    explanation.matched = plan.policies;
    explanation.resolution = found.empty() ? policies_->resolve(plan, {}) : *reconciler_.resolution(found.front().label);
    for (const KeyPattern* glob : plan.globs) {
      if (!matches_some_key(*glob, explanation.resolution)) explanation.open_globs.push_back(glob->name());
    }
    return explanation;
  }

 private:
  std::vector<Listing::Failure> sweep(Time now) {
    reconciler_.begin_sweep();
    auto failures = reconciler_.list(NetnsCatalog::Detail::full, now);
    while (reconciler_.work()) reconciler_.step(unlimited, now);
    return failures;
  }

  static bool matches_some_key(const KeyPattern& glob, const Resolution& resolution) {
    const auto is_from_glob = [&glob](const auto& one) { return one.setting->key == glob; };
    return std::any_of(resolution.settings.begin(), resolution.settings.end(), is_from_glob) ||
           std::any_of(resolution.overridden.begin(), resolution.overridden.end(), is_from_glob) ||
           std::any_of(resolution.observed.begin(), resolution.observed.end(),
                       [&glob](const Key& key) { return glob.matches(key); });
  }

  [[nodiscard]] std::vector<PolicyIndex> matched_by_name(std::string_view label) const {
    NetnsName name{label.substr(label.rfind('/') + 1), NameKind::entry};
    if (label == "host" && policies_->wants(NameKind::host)) name.kind = NameKind::host;
    if (label.starts_with("net:[")) name.kind = NameKind::process;
    return policies_->match({&name, 1});
  }

  Reconciler::Options reconciler_options() {
    // On failure the limit is unchanged, and the budget follows it.
    (void)raise_open_files().ok();
    const bool write = options_.command == Command::apply && !options_.dry_run && !options_.audit;
    Reconciler::Options options{fd_budget(open_files_limit()), write};
    options.tick = kernel_tick();
    return options;
  }

  void warn_invisible_writes() {
    const SysctlWatcher watcher(netns_.catalog().sysctl_files());
    if (watcher.problem().empty()) return;
    print_to_stderr(
        fmt::format("note: a daemon here would detect writes of other processes only by sweeps: {}", watcher.problem()));
  }

  CheckReport judge(Time now) {
    CheckReport report;
    report.totals = reconciler_.overview(now).totals;
    report.findings = reconciler_.findings(options_.all ? WhichSettings::all : WhichSettings::not_compliant, unlimited);
    std::vector<Report> reports = reconciler_.take_reports();
    keep_overwritten(options_, *policies_, reports);
    for (Report& visit_report : reports) {
      for (const Attempt& attempt : visit_report.attempts) {
        ++(attempt.outcome == Outcome::fixed ? report.totals.fixed : report.totals.failed);
      }
      for (Change& change : visit_report.changes) {
        if (change.kind == Change::Kind::repaired) report.repaired.push_back(std::move(change.finding));
      }
    }
    return report;
  }

  const Options& options_;
  ChosenNetns netns_;
  std::shared_ptr<const PolicySet> policies_;
  Reconciler reconciler_;
};

}  // namespace

int check_netns(const Options& options, const LoadedConfig& configuration) { return Sweep(options, configuration).run(); }

int explain_netns(const Options& options, const LoadedConfig& configuration) {
  Sweep sweep(options, configuration);
  Explanation explanation = sweep.explain(configuration.source);
  if (options.key) {
    const auto key = KeyPattern::parse(*options.key);
    if (const auto* problem = std::get_if<Problem>(&key)) {
      print_to_stderr(fmt::format("{}: {}", printable(*options.key), problem->message));
      return exit_usage;
    }
    std::erase_if(explanation.resolution.settings,
                  [&](const PlannedSetting& setting) { return !std::get<KeyPattern>(key).matches(setting.key); });
    explanation.open_globs.clear();
    if (explanation.resolution.settings.empty() && options.output == Output::table) {
      fmt::print("no policy wants {} in {}\n", printable(*options.key), printable(explanation.netns));
      return exit_compliant;
    }
  }
  fmt::print("{}", options.output == Output::json ? explain_json(explanation) : explain_table(explanation));
  return exit_compliant;
}

int review_configuration(const Options& options, const LoadedConfig& configuration) {
  Sweep sweep(options, configuration);
  if (sweep.netns().print_enter_problem()) return exit_unreadable;
  fmt::print("compared with the netns of this host, Linux {}\n", kernel_release());
  for (const UnusedPart& one : sweep.unused()) {
    const std::string policy = printable(one.policy);
    if (one.key.empty()) {
      fmt::print("warning: policy {} matches no existing netns\n", policy);
    } else {
      const auto suggestion = suggest_key(one.key);
      fmt::print("warning: policy {}: no matching netns has {}{}\n", policy, printable(one.key),
                 suggestion ? fmt::format("; did you mean {}?", printable(*suggestion)) : "");
    }
  }
  return exit_compliant;
}

}  // namespace nswarden
