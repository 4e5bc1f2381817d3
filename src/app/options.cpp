// SPDX-License-Identifier: Apache-2.0
#include <nswarden/app/options.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <iostream>
#include <map>

#include <nswarden/app/build_info.hpp>
#include <nswarden/core/config.hpp>
#include <nswarden/core/text.hpp>

namespace nswarden::app {
namespace {

constexpr int usage_error = 2;

/// The flags that `word` may have been meant to be, of the command that was named.
std::string suggestion(const CLI::App& app, std::string_view word) {
  std::vector<std::string> flags;
  const auto collect = [&](const CLI::App& from) {
    for (const CLI::Option* option : from.get_options()) {
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    }
  };
  collect(app);
  for (const CLI::App* command : app.get_subcommands()) collect(*command);
  const std::vector<std::string_view> candidates(flags.begin(), flags.end());
  const auto near = core::nearest(word.substr(0, word.find('=')), candidates);
  return near ? fmt::format("; did you mean {}?", *near) : std::string();
}

/// One line, whatever CLI11 says.
std::string failure_line(const CLI::App* app, const CLI::Error& error) {
  std::string message = error.what();
  std::string hint;
  if (error.get_name() == "ExtrasError") {
    for (const std::string& word : app->remaining(true)) {
      message = fmt::format("unexpected argument {}", core::printable(word));
      hint = suggestion(*app, word);
      break;
    }
  }
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  if (hint.empty()) hint = fmt::format("; see {} --help", app->get_name());
  return fmt::format("nswarden: {}{}\n", message, hint);
}

CLI::Validator duration_at_least(std::chrono::milliseconds minimum) {
  return {[minimum](std::string& text) -> std::string {
            const auto duration = core::parse_duration(text);
            if (!duration) return fmt::format("'{}' is no duration such as 500ms, 10s, 5m or 1h", core::printable(text));
            if (*duration < minimum) return fmt::format("{} is shorter than {}", text, core::format_duration(minimum));
            return {};
          },
          "DURATION"};
}

CLI::Validator absolute_path() {
  return {[](std::string& text) -> std::string {
            if (!text.starts_with('/')) return fmt::format("'{}' is not an absolute path", core::printable(text));
            while (text.size() > 1 && text.ends_with('/')) text.pop_back();
            return {};
          },
          "DIR"};
}

struct Parser {
  Options options;
  std::string interval;
  CLI::App app{"Keeps the sysctls of network namespaces as the policy says, and shows it on /metrics."};
  CLI::App* run = nullptr;
  CLI::App* check = nullptr;
  CLI::App* apply = nullptr;
  CLI::App* explain = nullptr;
  CLI::App* config = nullptr;
  CLI::App* config_check = nullptr;

  Parser() {
    app.name("nswarden");
    app.require_subcommand(1);
    app.fallthrough();
    app.failure_message(failure_line);
    const BuildInfo build = build_info();
    app.set_version_flag("--version",
                         fmt::format("nswarden {} (revision {}, {})", build.version, build.revision, build.compiler));
    app.footer(
        "Exit codes: 0 compliant, 1 something is drifted or missing, 2 usage or configuration, 3 something could not "
        "be read or entered.");
    add_common();
    add_run();
    add_one_shot();
    add_config();
  }

  void add_common() {
    app.add_option(
           "--config.file", options.config_file,
           fmt::format("Configuration; without this flag {}, or the built-in policy when that is absent", default_config_file))
        ->type_name("FILE");
    app.add_option("--netns.dir", options.netns_dirs,
                   fmt::format("Directory of netns names, default {}; may be repeated", default_netns_dir))
        ->take_all()
        ->allow_extra_args(false)
        ->transform(absolute_path());
    app.add_option("--log.level", options.log_level, "debug, info, warn or error")
        ->type_name("LEVEL")
        ->transform(CLI::Transformer(std::map<std::string, LogLevel>{{"debug", LogLevel::debug},
                                                                     {"info", LogLevel::info},
                                                                     {"warn", LogLevel::warn},
                                                                     {"error", LogLevel::error}})
                        .description(""));
    app.add_option("--log.format", options.log_format, "logfmt or json")
        ->type_name("FORMAT")
        ->transform(CLI::Transformer(std::map<std::string, LogFormat>{{"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}})
                        .description(""));
  }

  void add_run() {
    run = app.add_subcommand("run", "Watch, sweep, enforce and serve until SIGTERM");
    run->add_option("--web.listen-address", options.web.listen_addresses,
                    "HOST:PORT, :PORT or [V6]:PORT; port 0 picks one; may be repeated")
        ->type_name("ADDRESS")
        ->take_all()
        ->allow_extra_args(false)
        ->capture_default_str();
    run->add_option("--web.telemetry-path", options.web.telemetry_path, "Path of the metrics")
        ->type_name("PATH")
        ->capture_default_str();
    run->add_flag("--web.enable-lifecycle", options.web.enable_lifecycle, "Allow POST /-/reload");
    run->add_option("--reconcile.interval", interval, "Time between sweeps, default 10s, at least 100ms")
        ->check(duration_at_least(core::min_reconcile_interval));
    run->add_flag("--audit", options.audit, "Write nothing, whatever the policies say");
  }

  void add_report_flags(CLI::App& command) {
    command.add_option("--output", options.output, "table or json")
        ->type_name("FORMAT")
        ->transform(
            CLI::Transformer(std::map<std::string, Output>{{"table", Output::table}, {"json", Output::json}}).description(""));
  }

  void add_one_shot() {
    check = app.add_subcommand("check", "Read only: one sweep, every finding");
    apply = app.add_subcommand("apply", "One sweep that repairs, judged after the repair");
    apply->add_flag("--dry-run", options.dry_run, "Write nothing");
    for (CLI::App* command : {check, apply}) {
      command->add_option("NETNS", options.netns, "Names or full paths; all when none is given");
      command->add_flag("--all", options.all, "List compliant settings too");
      add_report_flags(*command);
    }
    explain = app.add_subcommand("explain", "Which policies match a netns (it need not exist) and what they want");
    explain->add_option("NETNS", options.netns, "Name in the netns directory")->required()->expected(1);
    explain->add_option("KEY", options.key, "Only this sysctl");
    add_report_flags(*explain);
  }

  void add_config() {
    config = app.add_subcommand("config", "Work with configuration files");
    config->require_subcommand(1);
    config->fallthrough();
    config_check = config->add_subcommand("check", "Every error of a file, as FILE:LINE:COL: message");
    config_check->add_option("FILE", options.config_file, "Default: as for run");
  }
};

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Parser parser;
  try {
    parser.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return parser.app.exit(error, std::cout, std::cerr) == 0 ? 0 : usage_error;
  }
  Options& options = parser.options;
  if (!parser.interval.empty()) options.reconcile_interval = core::parse_duration(parser.interval);
  if (parser.run->parsed()) options.command = Command::run;
  if (parser.check->parsed()) options.command = Command::check;
  if (parser.apply->parsed()) options.command = Command::apply;
  if (parser.explain->parsed()) options.command = Command::explain;
  if (parser.config_check->parsed()) options.command = Command::config_check;
  return std::move(options);
}

}  // namespace nswarden::app
