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

/// The innermost command of the command line.
const CLI::App& last_command(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app : last_command(*named.back());
}

/// The command as typed: `nswarden config check`.
std::string command_path(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : fmt::format("{} {}", command_path(*parent), command.get_name());
}

/// The closest flag of the given command, or command, to `word`.
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
  if (near == name) return fmt::format(" at this position; see {} --help", command_path(last_command(app)));
  return near ? fmt::format("; did you mean {}?", *near) : std::string();
}

/// The first word of `argv` that no command or flag explains, as reported by CLI11.
std::string unexpected_word(const CLI::App& app, const CLI::Error& error) {
  if (error.get_name() == "ExtrasError") {
    const std::string_view message = error.what();
    const std::size_t colon = message.find(": ");
    if (colon != std::string_view::npos) return std::string(message.substr(colon + 2));
  }
  const std::vector<std::string> rest = app.remaining(true);
  return rest.empty() ? std::string() : rest.front();
}

/// The subcommands: `run, check or config`.
std::string subcommand_names(const CLI::App& app) {
  const auto commands = app.get_subcommands({});
  std::string names;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::string_view separator = i == 0 ? "" : i + 1 == commands.size() ? " or " : ", ";
    names += fmt::format("{}{}", separator, commands[i]->get_name());
  }
  return names;
}

/// CLI11's error as one line.
std::string failure_line(const CLI::App* app, const CLI::Error& error) {
  const std::string word = unexpected_word(*app, error);
  const CLI::App& command = last_command(*app);
  const bool lacks_command = command.get_require_subcommand_min() > 0 && command.get_subcommands().empty();
  std::string message = error.what();
  if (!word.empty()) {
    const bool is_command = lacks_command && !word.starts_with('-');
    message = fmt::format("{} {}", is_command ? "unknown command" : "unexpected argument", printable(word));
  } else if (lacks_command && error.get_name() == "RequiredError") {
    message = fmt::format("missing command, expected {}", subcommand_names(command));
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::string hint = word.empty() ? std::string() : suggestion(*app, word);
  if (hint.empty()) hint = fmt::format("; see {} --help", command_path(command));
  return fmt::format("nswarden: {}{}\n", message, hint);
}

/// Why `text` is not a duration of at least `minimum`; empty if it is, as CLI11 expects of a check.
std::string duration_problem(const std::string& text, std::chrono::milliseconds minimum) {
  const auto duration = parse_duration(text);
  if (!duration) return fmt::format("invalid duration '{}', expected for example 500ms, 10s, 5m or 1h", printable(text));
  if (*duration < minimum) return fmt::format("{} is too short; the minimum is {}", text, format_duration(minimum));
  return {};
}

/// Values of an enumeration by name, in the order of help and errors. CLI11's own transformer would accept and list numbers.
template <class Enum>
using Names = std::vector<std::pair<std::string_view, Enum>>;

const Names<LogLevel> log_levels{
    {"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warn", LogLevel::warn}, {"error", LogLevel::error}};
const Names<LogFormat> log_formats{{"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}};
const Names<Output> outputs{{"table", Output::table}, {"json", Output::json}};

CLI::Validator absolute_path() {
  return {[](std::string& text) -> std::string {
            if (!text.starts_with('/')) return fmt::format("invalid path '{}', expected an absolute path", printable(text));
            while (text.size() > 1 && text.ends_with('/')) text.pop_back();
            return {};
          },
          ""};
}

std::string telemetry_path_problem(const std::string& text) {
  if (text.starts_with('/') && text != "/" && !text.starts_with("/-/") && !text.starts_with("/api/")) return {};
  return fmt::format("invalid path '{}', expected for example /metrics; /, /-/ and /api/ are reserved", printable(text));
}

class Parser {
 public:
  Options options;
  CLI::App app{"Keeps the sysctls of network namespaces compliant with a policy, and exports drift on /metrics."};

  Parser() {
    app.name("nswarden");
    app.require_subcommand(1);
    app.failure_message(failure_line);
    const BuildInfo build = build_info();
    app.set_version_flag("--version",
                         fmt::format("nswarden {} (revision {}, {})", build.version, build.revision, build.compiler));
    app.footer("Exit codes: 0 compliant, 1 drifted or missing, 2 usage or configuration, 3 unreadable or unreachable.");
    add_run();
    add_one_shot();
    add_status();
    add_config();
    add_common(app);
  }

  /// Only one of them would be read.
  [[nodiscard]] bool has_two_files() const {
    return config_check_->count("FILE") > 0 && config_check_->count("--config.file") + app.count("--config.file") > 0;
  }

 private:
  CLI::App& add_command(CLI::App& to, const char* name, const char* description, Command command) {
    CLI::App* added = to.add_subcommand(name, description);
    added->callback([this, command] { options.command = command; });
    return *added;
  }

  template <class Value>
  static CLI::Option* add_value(CLI::App& command, const char* name, const char* type, Value& to, std::string description) {
    return command.add_option(name, to, std::move(description))->type_name(type);
  }

  template <class Duration>
  static void add_duration(CLI::App& command, const char* name, Duration& to, std::chrono::milliseconds minimum,
                           const char* description) {
    const auto problem = [minimum](const std::string& text) { return duration_problem(text, minimum); };
    const auto take = [&to](const std::string& text) { to = parse_duration(text).value(); };
    command.add_option_function<std::string>(name, take, description)->type_name("DURATION")->check(problem);
  }

  template <class Enum>
  static void add_choice(CLI::App& command, const char* name, const char* type, Enum& to, const Names<Enum>& choices,
                         const char* description) {
    const auto problem = [&choices](const std::string& text) -> std::string {
      std::string names;
      for (const auto& [choice, value] : choices) {
        if (choice == text) return {};
        names += fmt::format("{}{}", names.empty() ? "" : ", ", choice);
      }
      return fmt::format("invalid value '{}', expected one of {}", printable(text), names);
    };
    const auto take = [&to, &choices](const std::string& text) {
      to = std::find_if(choices.begin(), choices.end(), [&text](const auto& choice) { return choice.first == text; })->second;
    };
    command.add_option_function<std::string>(name, take, description)->type_name(type)->check(problem);
  }

  /// Adds flags to the program and to most commands, so that they may precede or follow the command and appear in each
  /// --help.
  void add_common(CLI::App& to) {
    add_value(to, "--config.file", "FILE", options.config.file,
              fmt::format("Configuration; default {}, or the built-in policy if that does not exist", default_config_file));
    add_value(to, "--netns.dir", "DIR", options.config.netns_dirs,
              fmt::format("Directory of netns names, default {}; may be repeated", default_netns_dir))
        ->take_all()
        ->allow_extra_args(false)
        ->transform(absolute_path());
    add_value(to, "--path.procfs", "DIR", options.procfs,
              "Mount point of the host's procfs, default /proc or $NSWARDEN_PROCFS; in a container, a mount other than /proc")
        ->transform(absolute_path());
    add_choice(to, "--log.level", "LEVEL", options.log_level, log_levels, "debug, info (default), warn or error");
    add_choice(to, "--log.format", "FORMAT", options.log_format, log_formats, "logfmt (default) or json");
  }

  void add_run() {
    CLI::App& run =
        add_command(app, "run", "Run the daemon: watch, sweep, repair and serve metrics until SIGTERM", Command::run);
    run.footer("Exit codes: 0 ended by SIGTERM or SIGINT, 2 cannot start.");
    add_value(run, "--web.listen-address", "ADDRESS", options.web.listen_addresses,
              "HOST:PORT, :PORT or [V6]:PORT; port 0 picks one; may be repeated")
        ->take_all()
        ->allow_extra_args(false)
        ->capture_default_str();
    add_value(run, "--web.telemetry-path", "PATH", options.web.telemetry_path, "Path of the metrics")
        ->capture_default_str()
        ->check(telemetry_path_problem);
    add_value(run, "--web.config.file", "FILE", options.web.config_file,
              "TLS, users and headers, in the format of Prometheus' exporter-toolkit; reloaded when it changes");
    run.add_flag("--web.enable-lifecycle", options.web.enable_lifecycle, "Allow POST /-/reload");
    add_duration(run, "--reconcile.interval", options.config.reconcile_interval, min_reconcile_interval,
                 "Time between sweeps, default 10s, at least 100ms");
    add_duration(run, "--command.timeout", options.config.command_timeout, min_command_timeout,
                 "Time limit of each command of the policies, default 30s, at least 100ms");
    add_value(run, "--repair.budget", "N", options.config.repair_budget,
              "Repairs of one setting within --repair.window before it is suspended, default 5")
        ->check(CLI::Range(min_repair_budget, max_repair_budget));
    add_duration(run, "--repair.window", options.config.repair_window, min_repair_window,
                 "Time window of --repair.budget, default 10s, at least 1s");
    add_value(run, "--metrics.series-limit", "N", options.series_limit,
              "Maximum number of series of a metric with a label for each netns (nswarden_sysctl_drift, nswarden_sysctl_value)")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{0}, std::size_t{1000000}));
    run.add_flag(
        "--metrics.per-netns", options.per_netns,
        "Export nswarden_netns_drifted_sysctls, a series for each netns and policy, not bounded by --metrics.series-limit");
    add_value(run, "--lock.file", "FILE", options.lock_file,
              "Lock file that prevents a second daemon; default one for each netns directory, in "
              "$RUNTIME_DIRECTORY or /run/nswarden; none with --audit");
    add_audit(run);
    add_restore_file(run);
    add_common(run);
  }

  void add_restore_file(CLI::App& command) {
    add_value(command, "--restore.file", "FILE", options.restore_file,
              "Restore book: values that policies with restore have overwritten; default restore in $RUNTIME_DIRECTORY or "
              "/run/nswarden");
  }

  void add_audit(CLI::App& command) {
    command.add_flag("--audit", options.audit, "Write nothing and run no commands, regardless of the policies");
  }

  void add_output(CLI::App& command) {
    add_choice(command, "--output", "FORMAT", options.output, outputs, "table (default) or json");
  }

  void add_one_shot() {
    CLI::App& check = add_command(app, "check", "Check once: one read-only sweep that reports every finding", Command::check);
    CLI::App& apply =
        add_command(app, "apply", "Repair once: one sweep that repairs drifted settings, then a report", Command::apply);
    apply.add_flag("--dry-run", options.dry_run, "Write nothing");
    add_audit(apply);
    apply
        .add_flag("--restore", options.restore,
                  "Restore the values that policies with restore have overwritten, instead; not while a daemon runs")
        ->excludes("--dry-run")
        ->excludes("--audit");
    add_value(apply, "--lock.file", "FILE", options.lock_file, "With --restore: the --lock.file of the daemon");
    add_restore_file(apply);
    for (CLI::App* command : {&check, &apply}) {
      command->add_option("NETNS", options.netns, "Names or full paths; default: all");
      command->add_flag("--all", options.all, "List compliant settings too");
      add_output(*command);
      add_common(*command);
    }
    CLI::App& explain = add_command(
        app, "explain", "List the policies that match a netns (it need not exist) and their settings", Command::explain);
    const auto take_netns = [this](const std::string& name) { options.netns = {name}; };
    explain.add_option_function<std::string>("NETNS", take_netns, "Name in the netns directory")->required();
    explain.add_option("KEY", options.key, "Only matching keys; may contain globs");
    add_output(explain);
    add_common(explain);
  }

  void add_status() {
    CLI::App& status =
        add_command(app, "status", "Query the running daemon: verdict, policies, findings, last events", Command::status);
    status.add_option("NETNS", options.netns, "Names as shown in findings; default: all");
    add_daemon(status);
    add_value(status, "--events", "N", options.status.events, "Number of the last events to list, newest last; 0 lists none")
        ->capture_default_str()
        ->check(CLI::Range(0, 200));
    add_output(status);
    add_daemon(add_command(app, "healthcheck", "Check whether the running daemon is ready: exit code 0 or 1, for containers",
                           Command::healthcheck));
  }

  /// Adds the daemon's address and the connection options.
  void add_daemon(CLI::App& command) {
    StatusOptions& to = options.status;
    add_value(command, "--url", "URL", to.url, "Address of the daemon: http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]")
        ->envname("NSWARDEN_URL")
        ->capture_default_str();
    add_duration(command, "--timeout", to.timeout, std::chrono::milliseconds{100},
                 "Time limit of the query, default 5s, at least 100ms");
    add_value(command, "--tls.ca-file", "FILE", to.tls.ca_file, "Trusted CAs instead of the system's, PEM");
    CLI::Option* cert = add_value(command, "--tls.cert-file", "FILE", to.tls.cert_file, "Client certificate, PEM");
    CLI::Option* key = add_value(command, "--tls.key-file", "FILE", to.tls.key_file,
                                 "Key of the client certificate, PEM, without a passphrase");
    cert->needs(key);
    key->needs(cert);
  }

  void add_config() {
    CLI::App& config = *app.add_subcommand("config", "Work with configuration files");
    config.require_subcommand(1);
    config_check_ =
        &add_command(config, "check", "Report every mistake of a file, as FILE:LINE:COL: message", Command::config_check);
    config_check_->add_option("FILE", options.config.file, "Default: as for run");
    config_check_->add_flag(
        "--live", options.live,
        "Also warn about policies that match no existing netns, and about keys that no netns of their policy has");
    add_common(*config_check_);
    add_command(config, "convert", "Convert a file of netns-events to native policies, on stdout", Command::config_convert)
        .add_option("FILE", options.config.file, "File in the older form")
        ->required();
    add_command(config, "schema", "Print a JSON Schema of the configuration, for editors", Command::config_schema);
    add_command(config, "events", "List the inotify events that commands can use", Command::config_events);
  }

  CLI::App* config_check_ = nullptr;
};

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Parser parser;
  try {
    parser.app.parse(argc, argv);
    if (parser.has_two_files()) throw CLI::ExcludesError("FILE", "--config.file");
  } catch (const CLI::ParseError& error) {
    return parser.app.exit(error, std::cout, std::cerr) == 0 ? 0 : exit_usage;
  }
  return std::move(parser.options);
}

}  // namespace nswarden
