// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/report/console.hpp>
#include "cli/http_client.hpp"
#include "cli/status_table.hpp"

namespace nswarden {
namespace {

/// Ends the command with a line on stderr. Thrown only within this file.
struct CommandError {
  std::string line;
  int code = exit_unreadable;
};

std::string line_of(const HttpProblem& problem, const Url& url, std::chrono::milliseconds timeout) {
  const std::string address = url.display_text();
  switch (problem.kind) {
    case HttpProblem::Kind::unreachable:
      return fmt::format("cannot reach {}: {}; start nswarden, or set --url", address, problem.reason);
    case HttpProblem::Kind::timed_out:
      return fmt::format("no response from {} within {}; raise --timeout", address, format_duration(timeout));
    case HttpProblem::Kind::untrusted:
      return fmt::format("cannot verify the certificate of {}: {}; set --tls.ca-file to the CA that signed it", address,
                         problem.reason);
    case HttpProblem::Kind::name_mismatch:
      return fmt::format("the certificate of {} is for another host: {}; use the host name of the certificate in --url",
                         address, problem.reason);
    case HttpProblem::Kind::certificate_required:
      return fmt::format(
          "{} rejects the TLS handshake: {}; if it requires a certificate, set --tls.cert-file and --tls.key-file", address,
          problem.reason);
    case HttpProblem::Kind::tls: return fmt::format("TLS with {} failed: {}", address, problem.reason);
    case HttpProblem::Kind::not_tls:
      return fmt::format("{} does not use TLS: {}; write http:// to connect without it", address, problem.reason);
    case HttpProblem::Kind::invalid_response: return fmt::format("unexpected response from {}: {}", address, problem.reason);
    case HttpProblem::Kind::tls_files: return problem.reason;
  }
  return {};
}

std::string line_of_status(int status, const Url& url, const std::string& path) {
  const std::string address = url.display_text();
  if (status == 401 && url.credentials.empty()) {
    return fmt::format("{} requires authentication; write user:password@ before the host in --url", address);
  }
  if (status == 401) return fmt::format("{} rejects the user:password@ of --url", address);
  if (status == 403) return fmt::format("{} denies access to {} (HTTP status 403)", address, path);
  return fmt::format("unexpected response from {}: {} has HTTP status {}; set --url to the address of nswarden", address, path,
                     status);
}

Url url_of(const StatusOptions& options) {
  auto url = parse_url(options.url);
  if (auto* valid = std::get_if<Url>(&url)) return std::move(*valid);
  throw CommandError{
      fmt::format("invalid --url: {}; expected for example http://127.0.0.1:10042 or https://USER:PASSWORD@HOST:PORT",
                  std::get<Problem>(url).message),
      exit_usage};
}

/// The daemon at the URL of the options.
class DaemonClient {
 public:
  explicit DaemonClient(const StatusOptions& options)
      : timeout_(options.timeout),
        url_(url_of(options)),
        client_(url_, options.tls, std::chrono::steady_clock::now() + options.timeout) {}

  [[nodiscard]] const Url& url() const { return url_; }

  /// Returns a response with status 200 or `accepted`.
  HttpAnswer get(const std::string& path, int accepted = 200) {
    auto result = client_.get(path);
    if (const auto* problem = std::get_if<HttpProblem>(&result)) {
      const bool usage = problem->kind == HttpProblem::Kind::tls_files;
      throw CommandError{line_of(*problem, url_, timeout_), usage ? int{exit_usage} : int{exit_unreadable}};
    }
    auto& answer = std::get<HttpAnswer>(result);
    if (answer.status != 200 && answer.status != accepted) throw CommandError{line_of_status(answer.status, url_, path)};
    return std::move(answer);
  }

 private:
  std::chrono::milliseconds timeout_;
  Url url_;
  HttpClient client_;
};

/// One run of `nswarden status`: queries, filters, prints.
class StatusQuery {
 public:
  explicit StatusQuery(const Options& options) : options_(options), daemon_(options.status) {}

  int run() {
    Json status = answer("/api/v1/status");
    StatusView view;
    view.netns = options_.netns;
    (void)accepted_value(status_of(status));
    status["events"] = options_.status.events > 0 ? last_events() : Json::array();
    select(status["findings"]);
    view.status = accepted_value(status_of(status));
    view.events = accepted_value(events_of(status));
    view.now = unix_time();
    const StatusVerdict verdict = verdict_of(view);
    if (options_.output == Output::json) {
      if (!options_.netns.empty()) status["compliant"] = verdict == StatusVerdict::compliant;
      // Escapes all non-ASCII characters: the output may be a terminal.
      fmt::print("{}\n", status.dump(-1, ' ', true));
    } else {
      fmt::print("{}", status_table(view, colour_of_stdout()));
    }
    if (verdict == StatusVerdict::compliant) return exit_compliant;
    return verdict == StatusVerdict::drifted ? exit_drifted : exit_unreadable;
  }

 private:
  Json answer(const std::string& path) { return accepted_value(parse_answer(daemon_.get(path).body)); }

  template <class Value>
  Value accepted_value(std::variant<Value, Problem> read) const {
    if (const auto* problem = std::get_if<Problem>(&read)) {
      throw CommandError{fmt::format("unexpected response from {}: {}", daemon_.url().display_text(), problem->message)};
    }
    return std::move(std::get<Value>(read));
  }

  /// Removes all but the named netns; names match raw or printable.
  void select(Json& list) const {
    if (options_.netns.empty()) return;
    Json chosen = Json::array();
    for (Json& one : list) {
      const auto label = one.find("netns");
      if (label == one.end() || !label->is_string()) continue;
      const auto matches = [&label](const std::string& name) { return *label == name || *label == printable(name); };
      if (std::any_of(options_.netns.begin(), options_.netns.end(), matches)) chosen.push_back(std::move(one));
    }
    list = std::move(chosen);
  }

  Json last_events() {
    Json answered = answer("/api/v1/events");
    (void)accepted_value(events_of(answered));
    Json& events = answered["events"];
    select(events);
    const std::size_t kept = std::min<std::size_t>(events.size(), options_.status.events);
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kept));
    return events;
  }

  const Options& options_;
  DaemonClient daemon_;
};

/// Prints the lines of a response without control characters, which another server might send.
void print_lines(std::string_view text) {
  while (!text.empty()) fmt::print("{}\n", printable(take_until(text, '\n')));
}

}  // namespace

int show_status(const Options& options) {
  const auto is_url = [](const std::string& name) { return name.find("://") != std::string::npos; };
  if (std::any_of(options.netns.begin(), options.netns.end(), is_url)) {
    print_to_stderr("expected a netns, found a URL; write it after --url=");
    return exit_usage;
  }
  try {
    return StatusQuery(options).run();
  } catch (const CommandError& error) {
    print_to_stderr(error.line);
    return error.code;
  }
}

int check_health(const Options& options) {
  constexpr int not_healthy = 1;
  constexpr int unavailable = 503;
  try {
    DaemonClient daemon(options.status);
    HttpAnswer answer;
    for (const char* path : {"/-/healthy", "/-/ready"}) {
      answer = daemon.get(path, unavailable);
      if (answer.status == unavailable) break;
    }
    print_lines(answer.body);
    return answer.status == unavailable ? not_healthy : int{exit_compliant};
  } catch (const CommandError& error) {
    print_to_stderr(error.line);
    return error.code == exit_usage ? int{exit_usage} : not_healthy;
  }
}

}  // namespace nswarden
