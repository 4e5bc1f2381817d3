// SPDX-License-Identifier: Apache-2.0
#include <nswarden/cli/options.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <string_view>
#include <utility>

#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/policy/policy_config.hpp>
#include <nswarden/report/console.hpp>

namespace nswarden {
namespace {

/// The command that was named last, down to which everything was understood.
const CLI::App& last_command(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app : last_command(*named.back());
}

/// As it is typed: `nswarden config check`.
std::string typed(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : fmt::format("{} {}", typed(*parent), command.get_name());
}

/// What `word` may have been meant to be: a flag of the command that was named, or a command.
std::string suggestion(const CLI::App& app, std::string_view word) {
  std::vector<std::string> known;
  const auto collect = [&](const CLI::App& from) {
    for (const CLI::Option* option : from.get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
  };
  collect(app);
  for (const CLI::App* command : app.get_subcommands()) {
    collect(*command);
    for (const CLI::App* below : command->get_subcommands({})) known.push_back(below->get_name());
  }
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const std::string_view name = word.substr(0, word.find('='));
  const auto near = nearest(name, candidates);
  if (near == name) return fmt::format(" in this place; see {} --help", typed(last_command(app)));
  return near ? fmt::format("; did you mean {}?", *near) : std::string();
}

/// The first word of `argv` that no command or flag explains, as far as CLI11 tells.
std::string unexpected_word(const CLI::App& app, const CLI::Error& error) {
  if (error.get_name() == "ExtrasError") {
    const std::string_view message = error.what();
    const std::size_t colon = message.find(": ");
    if (colon != std::string_view::npos) return std::string(message.substr(colon + 2));
  }
  const std::vector<std::string> rest = app.remaining(true);
  return rest.empty() ? std::string() : rest.front();
}

/// `run, check or config`: the commands below one.
std::string commands_below(const CLI::App& app) {
  const auto commands = app.get_subcommands({});
  std::string names;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::string_view separator = i == 0 ? "" : i + 1 == commands.size() ? " or " : ", ";
    names += fmt::format("{}{}", separator, commands[i]->get_name());
  }
  return names;
}

/// One line, whatever CLI11 says.
std::string failure_line(const CLI::App* app, const CLI::Error& error) {
  const std::string word = unexpected_word(*app, error);
  const CLI::App& command = last_command(*app);
  const bool lacks_command = command.get_require_subcommand_min() > 0 && command.get_subcommands().empty();
  std::string message = error.what();
  if (!word.empty()) {
    const bool is_command = lacks_command && !word.starts_with('-');
    message = fmt::format("{} {}", is_command ? "unknown command" : "unexpected argument", printable(word));
  } else if (lacks_command && error.get_name() == "RequiredError") {
    message = fmt::format("which command? {}", commands_below(command));
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::string hint = word.empty() ? std::string() : suggestion(*app, word);
  if (hint.empty()) hint = fmt::format("; see {} --help", typed(command));
  return fmt::format("nswarden: {}{}\n", message, hint);
}

CLI::Validator duration_at_least(std::chrono::milliseconds minimum) {
  return {[minimum](std::string& text) -> std::string {
            const auto duration = parse_duration(text);
            if (!duration) return fmt::format("'{}' is no duration such as 500ms, 10s, 5m or 1h", printable(text));
            if (*duration < minimum) return fmt::format("{} is shorter than {}", text, format_duration(minimum));
            return {};
          },
          ""};
}

/// Words for the values of an enumeration, in the order in which help and complaints list them. CLI11 itself would convert an
/// enumeration by its number, and list that.
template <class Enum>
class Words {
 public:
  Words(std::initializer_list<std::pair<std::string_view, Enum>> words) : words_(words) {}

  [[nodiscard]] CLI::Validator validator() const {
    return {[words = words_](std::string& text) -> std::string {
              std::string names;
              for (const auto& [name, value] : words) {
                if (name == text) return {};
                names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
              }
              return fmt::format("'{}' is not one of {}", printable(text), names);
            },
            ""};
  }
  [[nodiscard]] Enum value(std::string_view text, Enum otherwise) const {
    for (const auto& [name, value] : words_) {
      if (name == text) return value;
    }
    return otherwise;
  }

 private:
  std::vector<std::pair<std::string_view, Enum>> words_;
};

const Words<LogLevel> log_levels{
    {"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warn", LogLevel::warn}, {"error", LogLevel::error}};
const Words<LogFormat> log_formats{{"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}};
const Words<Output> outputs{{"table", Output::table}, {"json", Output::json}};

CLI::Validator absolute_path() {
  return {[](std::string& text) -> std::string {
            if (!text.starts_with('/')) return fmt::format("'{}' is not an absolute path", printable(text));
            while (text.size() > 1 && text.ends_with('/')) text.pop_back();
            return {};
          },
          ""};
}

CLI::Validator telemetry_path() {
  return {[](std::string& text) -> std::string {
            if (text.starts_with('/') && text != "/" && !text.starts_with("/-/") && !text.starts_with("/api/")) return {};
            return fmt::format("'{}' is no path such as /metrics, or taken", printable(text));
          },
          ""};
}

struct Parser {
  Options options;
  std::string interval;
  std::string command_timeout;
  std::string repair_window;
  std::string status_timeout;
  std::string explained;
  std::string log_level;
  std::string log_format;
  std::string output;
  CLI::App app{"Keeps the sysctls of network namespaces as the policy says, and shows it on /metrics."};
  CLI::App* run = nullptr;
  CLI::App* check = nullptr;
  CLI::App* apply = nullptr;
  CLI::App* explain = nullptr;
  CLI::App* status = nullptr;
  CLI::App* healthcheck = nullptr;
  CLI::App* config = nullptr;
  CLI::App* config_check = nullptr;
  CLI::App* config_convert = nullptr;
  CLI::App* config_events = nullptr;
  CLI::App* config_schema = nullptr;

  Parser() {
    app.name("nswarden");
    app.require_subcommand(1);
    app.failure_message(failure_line);
    const BuildInfo build = build_info();
    app.set_version_flag("--version",
                         fmt::format("nswarden {} (revision {}, {})", build.version, build.revision, build.compiler));
    app.footer(
        "Exit codes: 0 compliant, 1 something is drifted or missing, 2 usage or configuration, 3 something could not "
        "be read, entered or reached.");
    add_run();
    add_one_shot();
    add_status();
    add_config();
    for (CLI::App* command : {&app, run, check, apply, explain, config_check}) add_common(*command);
  }

  /// On the program and on each command, so that they may stand before or after it and every --help shows them.
  void add_common(CLI::App& to) {
    to.add_option("--config.file", options.config.file,
                  fmt::format("Configuration; default {}, or the built-in policy when that is absent", default_config_file))
        ->type_name("FILE");
    to.add_option("--netns.dir", options.config.netns_dirs,
                  fmt::format("Directory of netns names, default {}; may be repeated", default_netns_dir))
        ->type_name("DIR")
        ->take_all()
        ->allow_extra_args(false)
        ->transform(absolute_path());
    to.add_option("--path.procfs", options.procfs,
                  "Where the host's procfs is, default /proc or $NSWARDEN_PROCFS; in a container another mount of it")
        ->type_name("DIR")
        ->transform(absolute_path());
    to.add_option("--log.level", log_level, "debug, info (default), warn or error")
        ->type_name("LEVEL")
        ->check(log_levels.validator());
    to.add_option("--log.format", log_format, "logfmt (default) or json")->type_name("FORMAT")->check(log_formats.validator());
  }

  /// Only one of them would be looked at.
  [[nodiscard]] bool names_two_files() const {
    return config_check->count("FILE") > 0 && config_check->count("--config.file") + app.count("--config.file") > 0;
  }

  void add_run() {
    run = app.add_subcommand("run", "The daemon: watch, sweep, enforce and serve metrics until SIGTERM");
    run->footer("Exit codes: 0 ended by SIGTERM or SIGINT, 2 cannot start.");
    run->add_option("--web.listen-address", options.web.listen_addresses,
                    "HOST:PORT, :PORT or [V6]:PORT; port 0 picks one; may be repeated")
        ->type_name("ADDRESS")
        ->take_all()
        ->allow_extra_args(false)
        ->capture_default_str();
    run->add_option("--web.telemetry-path", options.web.telemetry_path, "Path of the metrics")
        ->type_name("PATH")
        ->capture_default_str()
        ->check(telemetry_path());
    run->add_option("--web.config.file", options.web.config_file,
                    "TLS, users and headers, in the format of Prometheus' exporter-toolkit; read again when it changes")
        ->type_name("FILE");
    run->add_flag("--web.enable-lifecycle", options.web.enable_lifecycle, "Allow POST /-/reload");
    run->add_option("--reconcile.interval", interval, "Time between sweeps, default 10s, at least 100ms")
        ->type_name("DURATION")
        ->check(duration_at_least(min_reconcile_interval));
    run->add_option("--command.timeout", command_timeout,
                    "Time limit of each command of the policies, default 30s, at least 100ms")
        ->type_name("DURATION")
        ->check(duration_at_least(min_command_timeout));
    run->add_option("--repair.budget", options.config.repair_budget,
                    "Repairs of one setting within --repair.window before it is suspended, default 5")
        ->type_name("N")
        ->check(CLI::Range(min_repair_budget, max_repair_budget));
    run->add_option("--repair.window", repair_window, "See --repair.budget; default 10s, at least 1s")
        ->type_name("DURATION")
        ->check(duration_at_least(min_repair_window));
    run->add_option(
           "--metrics.series-limit", options.series_limit,
           "Most series that a metric with a label for each netns may have (nswarden_sysctl_drift, nswarden_sysctl_value)")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{0}, std::size_t{1000000}));
    run->add_flag(
        "--metrics.per-netns", options.per_netns,
        "Export nswarden_netns_drifted_sysctls, a series for each netns and policy; --metrics.series-limit does not bound it");
    run->add_option("--lock.file", options.lock_file,
                    "Refuse to run while another has locked this file; default one for each netns directory, in "
                    "$RUNTIME_DIRECTORY or /run/nswarden; none with --audit")
        ->type_name("FILE");
    add_audit(*run);
    add_restore_file(*run);
  }

  void add_restore_file(CLI::App& command) {
    command
        .add_option("--restore.file", options.restore_file,
                    "Keeps what policies with restore changed; default restore in $RUNTIME_DIRECTORY or /run/nswarden")
        ->type_name("FILE");
  }

  void add_audit(CLI::App& command) {
    command.add_flag("--audit", options.audit, "Write nothing and run no commands, whatever the policies say");
  }

  void add_report_flags(CLI::App& command) {
    command.add_option("--output", output, "table (default) or json")->type_name("FORMAT")->check(outputs.validator());
  }

  void add_one_shot() {
    check = app.add_subcommand("check", "Look once, writing nothing: one sweep, every finding");
    apply = app.add_subcommand("apply", "Repair once: one sweep that sets what is wrong, and judges after that");
    apply->add_flag("--dry-run", options.dry_run, "Write nothing");
    add_audit(*apply);
    apply
        ->add_flag("--restore", options.restore,
                   "Put back what policies with restore changed, instead; not while a daemon runs")
        ->excludes("--dry-run")
        ->excludes("--audit");
    apply->add_option("--lock.file", options.lock_file, "With --restore: as given to the daemon")->type_name("FILE");
    add_restore_file(*apply);
    for (CLI::App* command : {check, apply}) {
      command->add_option("NETNS", options.netns, "Names or full paths; all when none is given");
      command->add_flag("--all", options.all, "List compliant settings too");
      add_report_flags(*command);
    }
    explain = app.add_subcommand("explain", "Which policies match a netns (it need not exist) and what they want");
    explain->add_option("NETNS", explained, "Name in the netns directory")->required();
    explain->add_option("KEY", options.key, "Only this sysctl");
    add_report_flags(*explain);
  }

  void add_status() {
    status = app.add_subcommand("status", "What the running daemon sees: findings, policies, the last events");
    status->add_option("NETNS", options.netns, "Names as findings show them; all when none is given");
    add_daemon(*status);
    status->add_option("--events", options.status.events, "How many of the last events to list, newest last; 0 for none")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(0, 200));
    add_report_flags(*status);
    healthcheck = app.add_subcommand("healthcheck", "Whether the running daemon is ready: exit code 0 or 1, for containers");
    add_daemon(*healthcheck);
  }

  /// Where the daemon is, and how to come by an answer.
  void add_daemon(CLI::App& command) {
    StatusOptions& to = options.status;
    command.add_option("--url", to.url, "Where the daemon is: http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]")
        ->type_name("URL")
        ->envname("NSWARDEN_URL")
        ->capture_default_str();
    command.add_option("--timeout", status_timeout, "Time limit for all of it, default 5s, at least 100ms")
        ->type_name("DURATION")
        ->check(duration_at_least(std::chrono::milliseconds{100}));
    command.add_option("--tls.ca-file", to.ca_file, "CAs to trust instead of the system's, PEM")->type_name("FILE");
    CLI::Option* cert = command.add_option("--tls.cert-file", to.cert_file, "Certificate to show to the daemon, PEM");
    CLI::Option* key = command.add_option("--tls.key-file", to.key_file, "Its key, PEM, without a passphrase");
    cert->type_name("FILE")->needs(key);
    key->type_name("FILE")->needs(cert);
  }

  void add_config() {
    config = app.add_subcommand("config", "Work with configuration files");
    config->require_subcommand(1);
    config_check = config->add_subcommand("check", "Every error of a file, as FILE:LINE:COL: message");
    config_check->add_option("FILE", options.config.file, "Default: as for run");
    config_check->add_flag("--live", options.live,
                           "Also tell which policies and settings are of no use to the netns there are");
    config_convert = config->add_subcommand("convert", "A file of netns-events as native policies, on stdout");
    config_convert->add_option("FILE", options.config.file, "File in the older form")->required();
    config_schema = config->add_subcommand("schema", "JSON Schema of the configuration, for editors");
    config_events = config->add_subcommand("events", "The inotify event names that commands can be for");
  }
};

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Parser parser;
  try {
    parser.app.parse(argc, argv);
    if (parser.names_two_files()) throw CLI::ExcludesError("FILE", "--config.file");
  } catch (const CLI::ParseError& error) {
    return parser.app.exit(error, std::cout, std::cerr) == 0 ? 0 : exit_usage;
  }
  Options& options = parser.options;
  if (!parser.interval.empty()) options.config.reconcile_interval = parse_duration(parser.interval);
  if (!parser.command_timeout.empty()) options.config.command_timeout = parse_duration(parser.command_timeout);
  if (!parser.repair_window.empty()) options.config.repair_window = parse_duration(parser.repair_window);
  if (const auto timeout = parse_duration(parser.status_timeout)) options.status.timeout = *timeout;
  if (parser.explain->parsed()) options.netns = {parser.explained};
  options.log_level = log_levels.value(parser.log_level, options.log_level);
  options.log_format = log_formats.value(parser.log_format, options.log_format);
  options.output = outputs.value(parser.output, options.output);
  if (parser.run->parsed()) options.command = Command::run;
  if (parser.check->parsed()) options.command = Command::check;
  if (parser.apply->parsed()) options.command = Command::apply;
  if (parser.explain->parsed()) options.command = Command::explain;
  if (parser.status->parsed()) options.command = Command::status;
  if (parser.healthcheck->parsed()) options.command = Command::healthcheck;
  if (parser.config_check->parsed()) options.command = Command::config_check;
  if (parser.config_convert->parsed()) options.command = Command::config_convert;
  if (parser.config_schema->parsed()) options.command = Command::config_schema;
  if (parser.config_events->parsed()) options.command = Command::config_events;
  return std::move(options);
}

}  // namespace nswarden
