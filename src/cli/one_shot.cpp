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

#include <nswarden/config/configuration.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/report/render.hpp>
#include <nswarden/config/config_convert.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/os/limits.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/tick.hpp>
#include <nswarden/report/colour.hpp>
#include <nswarden/report/complain.hpp>
#include <nswarden/daemon/fd_budget.hpp>
#include <nswarden/report/meant_key.hpp>
#include <nswarden/report/policy_review.hpp>
#include "cli/restore_command.hpp"
#include <nswarden/netns/selected_catalog.hpp>
#include "cli/status_command.hpp"

namespace nswarden::app {
namespace {

constexpr std::size_t no_cap = std::numeric_limits<std::size_t>::max();

/// None: the lines why are printed.
std::optional<Configuration> configuration_or_complaint(const Options& options) {
  auto loaded = load_configuration(options);
  if (auto* configuration = std::get_if<Configuration>(&loaded)) return std::move(*configuration);
  for (const std::string& line : std::get<NoConfiguration>(loaded).lines) fmt::print(stderr, "{}\n", line);
  return std::nullopt;
}

class Sweep {
 public:
  Sweep(const Options& options, const Configuration& configuration)
      : options_(options),
        sources_(netns_sources(netns_directories(options, configuration.config))),
        policies_(std::make_shared<core::PolicySet>(configuration.config, core::PolicySet::Audit::as_configured)),
        catalog_(sources_, links_of_names(configuration.config)),
        selected_(catalog_, sources_, options.netns),
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
    for (const core::Listing::Failure& failure : failures) {
      complain(fmt::format("cannot list {}: {}", core::printable(sources_[failure.directory].directory),
                           std::generic_category().message(failure.error.code)));
    }
    const CheckReport report = judge(now);
    print(report);
    const auto missing = selected_.not_found();
    for (const std::string& name : missing) complain(fmt::format("no netns is named {}", core::printable(name)));
    if (report.totals.drifted + report.totals.missing > 0) return exit_drifted;
    return report.compliant() && failures.empty() && missing.empty() ? exit_compliant : exit_unreadable;
  }

  /// Parts of the configuration that none of the netns needs.
  core::Result<std::vector<Useless>> useless() {
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
    std::vector<core::Reconciler::Known> found;
    if (const auto may = catalog_.may_enter(); !may) {
      explanation.not_looked_at = cannot_enter_any(may.error().code);
    } else {
      (void)sweep(std::chrono::steady_clock::now());
      explanation.findings = reconciler_.findings(core::Reconciler::Which::all, no_cap);
      found = reconciler_.known();
      if (found.empty()) explanation.not_looked_at = "no netns of this name is there now";
    }
    // It may have other names, which count too.
    const core::Plan plan = policies_->plan(found.empty() ? matched_by_name(explanation.netns) : found.front().matched);
    explanation.matched = plan.policies;
    explanation.resolution = found.empty() ? policies_->resolve(plan, {}) : *reconciler_.resolution(found.front().label);
    for (const core::KeyPattern* glob : plan.globs) {
      if (!stands_for_some(*glob, explanation.resolution)) explanation.open_globs.push_back(glob->name());
    }
    return explanation;
  }

 private:
  std::vector<core::Listing::Failure> sweep(core::Time now) {
    reconciler_.begin_sweep();
    auto failures = reconciler_.list(core::NetnsCatalog::Detail::full, now);
    while (reconciler_.work()) reconciler_.step(no_cap, now);
    return failures;
  }

  static bool stands_for_some(const core::KeyPattern& glob, const core::Resolution& resolution) {
    const auto is_of_it = [&glob](const auto& one) { return one.setting->key == glob; };
    return std::any_of(resolution.settings.begin(), resolution.settings.end(), is_of_it) ||
           std::any_of(resolution.overridden.begin(), resolution.overridden.end(), is_of_it) ||
           std::any_of(resolution.observed.begin(), resolution.observed.end(),
                       [&glob](const core::Key& key) { return glob.matches(key); });
  }

  [[nodiscard]] std::vector<core::PolicyIndex> matched_by_name(std::string_view label) const {
    core::NetnsName name{label.substr(label.rfind('/') + 1), core::NameKind::entry};
    if (label == "host" && policies_->wants(core::NameKind::host)) name.kind = core::NameKind::host;
    if (label.starts_with("net:[")) name.kind = core::NameKind::process;
    return policies_->match({&name, 1});
  }

  core::Reconciler::Options reconciler_options() {
    // A failure leaves the limit as it was, and the budget follows it.
    (void)os::raise_open_files().ok();
    const bool write = options_.command == Command::apply && !options_.dry_run && !options_.audit;
    core::Reconciler::Options options{sources_, fd_budget(os::open_files_limit()), write};
    options.tick = os::kernel_tick();
    return options;
  }

  void tell_deafness() const {
    const os::SysctlWatcher watcher(catalog_.sysctl_files());
    if (watcher.problem().empty()) return;
    complain(fmt::format("note: a daemon here would find writes of other programs only by its sweep: {}", watcher.problem()));
  }

  CheckReport judge(core::Time now) {
    using Which = core::Reconciler::Which;
    CheckReport report;
    report.totals = reconciler_.overview(now).totals;
    report.findings = reconciler_.findings(options_.all ? Which::all : Which::not_compliant, no_cap);
    std::vector<core::Report> reports = reconciler_.take_reports();
    keep_overwritten(options_, *policies_, reports);
    for (core::Report& told : reports) {
      for (const core::Attempt& attempt : told.attempts) {
        ++(attempt.outcome == core::Outcome::fixed ? report.totals.fixed : report.totals.failed);
      }
      for (core::Change& change : told.changes) {
        if (change.what == core::Change::What::repaired) report.repaired.push_back(std::move(change.finding));
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
  std::vector<core::NetnsSource> sources_;
  std::shared_ptr<const core::PolicySet> policies_;
  os::LinuxCatalog catalog_;
  SelectedCatalog selected_;
  core::Reconciler reconciler_;
};

int explain(const Options& options, const Configuration& configuration) {
  Sweep sweep(options, configuration);
  Explanation explanation = sweep.explain(configuration.source);
  if (options.key) {
    const auto key = core::KeyPattern::parse(*options.key);
    if (const auto* refusal = std::get_if<std::string>(&key)) {
      complain(fmt::format("{}: {}", core::printable(*options.key), *refusal));
      return exit_usage;
    }
    std::erase_if(explanation.resolution.settings,
                  [&](const core::PlannedSetting& setting) { return !std::get<core::KeyPattern>(key).matches(setting.key); });
    explanation.open_globs.clear();
    if (explanation.resolution.settings.empty() && options.output == Output::table) {
      fmt::print("no policy wants {} in {}\n", core::printable(*options.key), core::printable(explanation.netns));
      return exit_compliant;
    }
  }
  fmt::print("{}", options.output == Output::json ? explain_json(explanation) : explain_table(explanation));
  return exit_compliant;
}

int config_events() {
  for (const core::InotifyEvent& event : core::inotify_events()) fmt::print("{:<17} {}\n", event.name, event.meaning);
  return exit_compliant;
}

int config_schema() {
  fmt::print("{}", core::config_schema());
  return exit_compliant;
}

int config_convert(const Configuration& configuration) {
  if (configuration.config.form != core::Config::Form::older) {
    complain(fmt::format("{} has the native form already; there is nothing to convert", core::printable(configuration.source)));
    return exit_usage;
  }
  fmt::print("{}", core::convert_config(configuration.config));
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
    const std::string policy = core::printable(one.policy);
    if (one.key.empty()) {
      fmt::print("warning: policy {} matches no netns that is there now\n", policy);
    } else {
      const auto meant = meant_key(one.key);
      fmt::print("warning: no netns that policy {} matches has {}{}\n", policy, core::printable(one.key),
                 meant ? fmt::format("; did you mean {}?", core::printable(*meant)) : "");
    }
  }
  return exit_compliant;
}

int config_check(const Options& options, const Configuration& configuration) {
  std::size_t settings = 0;
  for (const auto& policy : configuration.config.policies) settings += policy.sysctls.size();
  fmt::print("{}: ok, {} {}, {} {}\n", core::printable(configuration.source), configuration.config.policies.size(),
             configuration.config.policies.size() == 1 ? "policy" : "policies", settings,
             settings == 1 ? "setting" : "settings");
  if (configuration.config.form == core::Config::Form::older) {
    fmt::print(
        "It has the older form of netns-events: commands are run, and no sysctls are wanted; nswarden config convert {} "
        "writes it as native policies.\n",
        core::printable(configuration.source));
  }
  return options.live ? review(options, configuration) : int{exit_compliant};
}

int run_command(const Options& options) {
  if (options.command == Command::config_events) return config_events();
  if (options.command == Command::config_schema) return config_schema();
  if (options.command == Command::status) return show_status(options);
  if (options.command == Command::healthcheck) return check_health(options);
  const auto configuration = configuration_or_complaint(options);
  if (!configuration) return exit_usage;
  if (options.command == Command::config_convert) return config_convert(*configuration);
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
  complain(fmt::format("cannot write the report: {}", std::generic_category().message(errno)));
  return code == exit_compliant ? int{exit_unreadable} : code;
}

}  // namespace nswarden::app
