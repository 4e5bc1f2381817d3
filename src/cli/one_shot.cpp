// SPDX-License-Identifier: Apache-2.0
#include <nswarden/cli/one_shot.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <system_error>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_convert.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/daemon/fd_budget.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/selected_catalog.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/limits.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/os/tick.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include <nswarden/report/console.hpp>
#include <nswarden/report/meant_key.hpp>
#include <nswarden/report/policy_review.hpp>
#include <nswarden/report/render.hpp>
#include "cli/restore_command.hpp"
#include "cli/status_command.hpp"

namespace nswarden {
namespace {

constexpr std::size_t no_cap = std::numeric_limits<std::size_t>::max();

/// None: the lines why are printed.
std::optional<Configuration> configuration_or_complaint(const Options& options) {
  auto loaded = load_configuration(options.config);
  if (auto* configuration = std::get_if<Configuration>(&loaded)) return std::move(*configuration);
  for (const std::string& line : std::get<NoConfiguration>(loaded).lines) fmt::print(stderr, "{}\n", line);
  return std::nullopt;
}

class Sweep {
 public:
  Sweep(const Options& options, const Configuration& configuration)
      : options_(options),
        policies_(std::make_shared<PolicySet>(configuration.config, PolicySet::Audit::as_configured)),
        catalog_(netns_sources(netns_directories(options.config, configuration.config)), configuration.config.links),
        selected_(catalog_, options.netns),
        reconciler_(selected_, policies_, reconciler_options()) {
    catalog_.serve(kinds_of_names(*policies_));
  }

  int run() {
    if (const auto may = catalog_.may_enter(); !may) {
      complain(cannot_enter_any(may.error().code));
      return exit_unreadable;
    }
    if (options_.command == Command::check) tell_deafness();
    const auto now = std::chrono::steady_clock::now();
    const auto failures = sweep(now);
    for (const Listing::Failure& failure : failures) {
      complain(fmt::format("cannot list {}: {}", printable(catalog_.sources()[failure.directory].directory),
                           error_text(failure.error.code)));
    }
    const CheckReport report = judge(now);
    print(report);
    const auto missing = selected_.not_found();
    for (const std::string& name : missing) complain(fmt::format("no netns is named {}", printable(name)));
    if (report.totals.drifted + report.totals.missing > 0) return exit_drifted;
    return report.compliant() && failures.empty() && missing.empty() ? exit_compliant : exit_unreadable;
  }

  /// Parts of the configuration that none of the netns needs.
  Result<std::vector<Useless>> useless() {
    if (const auto may = catalog_.may_enter(); !may) return may.error();
    const auto now = std::chrono::steady_clock::now();
    (void)sweep(now);
    return useless_now(reconciler_, now);
  }

  /// Of the netns that was named, which need not exist, as it is now if it can be looked at.
  Explanation explain(const std::string& source) {
    Explanation explanation;
    explanation.netns = options_.netns.front();
    explanation.source = source;
    explanation.policies = policies_.get();
    std::vector<KnownNetns> found;
    if (const auto may = catalog_.may_enter(); !may) {
      explanation.not_looked_at = cannot_enter_any(may.error().code);
    } else {
      (void)sweep(std::chrono::steady_clock::now());
      explanation.findings = reconciler_.findings(WhichSettings::all, no_cap);
      found = reconciler_.known();
      if (found.empty()) explanation.not_looked_at = "no netns of this name is there now";
    }
    // It may have other names, which count too.
    const Plan plan = policies_->plan(found.empty() ? matched_by_name(explanation.netns) : found.front().matched);
    explanation.matched = plan.policies;
    explanation.resolution = found.empty() ? policies_->resolve(plan, {}) : *reconciler_.resolution(found.front().label);
    for (const KeyPattern* glob : plan.globs) {
      if (!stands_for_some(*glob, explanation.resolution)) explanation.open_globs.push_back(glob->name());
    }
    return explanation;
  }

 private:
  std::vector<Listing::Failure> sweep(Time now) {
    reconciler_.begin_sweep();
    auto failures = reconciler_.list(NetnsCatalog::Detail::full, now);
    while (reconciler_.work()) reconciler_.step(no_cap, now);
    return failures;
  }

  static bool stands_for_some(const KeyPattern& glob, const Resolution& resolution) {
    const auto is_of_it = [&glob](const auto& one) { return one.setting->key == glob; };
    return std::any_of(resolution.settings.begin(), resolution.settings.end(), is_of_it) ||
           std::any_of(resolution.overridden.begin(), resolution.overridden.end(), is_of_it) ||
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
    // A failure leaves the limit as it was, and the budget follows it.
    (void)raise_open_files().ok();
    const bool write = options_.command == Command::apply && !options_.dry_run && !options_.audit;
    Reconciler::Options options{fd_budget(open_files_limit()), write};
    options.tick = kernel_tick();
    return options;
  }

  void tell_deafness() const {
    const SysctlWatcher watcher(catalog_.sysctl_files());
    if (watcher.problem().empty()) return;
    complain(fmt::format("note: a daemon here would find writes of other programs only by its sweep: {}", watcher.problem()));
  }

  CheckReport judge(Time now) {
    using Which = WhichSettings;
    CheckReport report;
    report.totals = reconciler_.overview(now).totals;
    report.findings = reconciler_.findings(options_.all ? Which::all : Which::not_compliant, no_cap);
    std::vector<Report> reports = reconciler_.take_reports();
    keep_overwritten(options_, *policies_, reports);
    for (Report& told : reports) {
      for (const Attempt& attempt : told.attempts) {
        ++(attempt.outcome == Outcome::fixed ? report.totals.fixed : report.totals.failed);
      }
      for (Change& change : told.changes) {
        if (change.what == Change::What::repaired) report.repaired.push_back(std::move(change.finding));
      }
    }
    return report;
  }

  void print(const CheckReport& report) const {
    const std::string text = options_.output == Output::json ? check_json(report) : check_table(report, colour_of_stdout());
    fmt::print("{}", text);
    if (options_.dry_run && options_.output == Output::table) fmt::print("dry run: nothing was written\n");
  }

  const Options& options_;
  std::shared_ptr<const PolicySet> policies_;
  LinuxCatalog catalog_;
  SelectedCatalog selected_;
  Reconciler reconciler_;
};

int explain(const Options& options, const Configuration& configuration) {
  Sweep sweep(options, configuration);
  Explanation explanation = sweep.explain(configuration.source);
  if (options.key) {
    const auto key = KeyPattern::parse(*options.key);
    if (const auto* refusal = std::get_if<std::string>(&key)) {
      complain(fmt::format("{}: {}", printable(*options.key), *refusal));
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

int print_events() {
  for (const InotifyEvent& event : inotify_events()) fmt::print("{:<17} {}\n", event.name, event.meaning);
  return exit_compliant;
}

int print_schema() {
  fmt::print("{}", config_schema());
  return exit_compliant;
}

int print_converted(const Configuration& configuration) {
  if (configuration.config.form != Config::Form::older) {
    complain(fmt::format("{} has the native form already; there is nothing to convert", printable(configuration.source)));
    return exit_usage;
  }
  fmt::print("{}", convert_config(configuration.config));
  return exit_compliant;
}

/// What is no mistake, and yet of no use to the netns that are there.
int review(const Options& options, const Configuration& configuration) {
  Sweep sweep(options, configuration);
  const auto useless = sweep.useless();
  if (!useless) {
    complain(cannot_enter_any(useless.error().code));
    return exit_unreadable;
  }
  for (const Useless& one : *useless) {
    const std::string policy = printable(one.policy);
    if (one.key.empty()) {
      fmt::print("warning: policy {} matches no netns that is there now\n", policy);
    } else {
      const auto meant = meant_key(one.key);
      fmt::print("warning: no netns that policy {} matches has {}{}\n", policy, printable(one.key),
                 meant ? fmt::format("; did you mean {}?", printable(*meant)) : "");
    }
  }
  return exit_compliant;
}

int config_check(const Options& options, const Configuration& configuration) {
  std::size_t settings = 0;
  for (const auto& policy : configuration.config.policies) settings += policy.sysctls.size();
  fmt::print("{}: ok, {} {}, {} {}\n", printable(configuration.source), configuration.config.policies.size(),
             configuration.config.policies.size() == 1 ? "policy" : "policies", settings,
             settings == 1 ? "setting" : "settings");
  if (configuration.config.form == Config::Form::older) {
    fmt::print(
        "It has the older form of netns-events: commands are run, and no sysctls are wanted; nswarden config convert {} "
        "writes it as native policies.\n",
        printable(configuration.source));
  }
  return options.live ? review(options, configuration) : int{exit_compliant};
}

int run_command(const Options& options) {
  if (options.command == Command::config_events) return print_events();
  if (options.command == Command::config_schema) return print_schema();
  if (options.command == Command::status) return show_status(options);
  if (options.command == Command::healthcheck) return check_health(options);
  const auto configuration = configuration_or_complaint(options);
  if (!configuration) return exit_usage;
  if (options.command == Command::config_convert) return print_converted(*configuration);
  if (options.restore) return restore_values(options, *configuration);
  try {
    if (options.command == Command::explain) return explain(options, *configuration);
    if (options.command == Command::config_check) return config_check(options, *configuration);
    return Sweep(options, *configuration).run();
  } catch (const std::system_error& error) {
    complain(error.what());
    return exit_unreadable;
  }
}

}  // namespace

int run_one_shot(const Options& options) {
  const int code = run_command(options);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  complain(fmt::format("cannot write the report: {}", error_text(errno)));
  return code == exit_compliant ? int{exit_unreadable} : code;
}

bool choose_procfs(const Options& options) {
  constexpr const char* procfs_variable = "NSWARDEN_PROCFS";
  const auto needs_none = {Command::config_convert, Command::config_events, Command::config_schema, Command::status,
                           Command::healthcheck};
  if (std::find(needs_none.begin(), needs_none.end(), options.command) != needs_none.end()) return true;
  if (options.command == Command::config_check && !options.live) return true;
  const bool asked = options.procfs.has_value();
  const char* variable = std::getenv(procfs_variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::string directory = asked ? *options.procfs : variable == nullptr ? "" : variable;
  if (directory.empty() && !asked) return true;
  const auto used = use_procfs(directory);
  if (used) return true;
  const int error = used.error().code;
  const std::string what = error == EMEDIUMTYPE ? "it is no procfs" : error_text(error);
  complain(fmt::format("{} {}: cannot {}: {}; mount the host's /proc there, not read-only (-v /proc:{}, or a hostPath volume)",
                       asked ? "--path.procfs" : procfs_variable, printable(directory), used.error().attempt, what,
                       printable(directory)));
  return false;
}

}  // namespace nswarden
