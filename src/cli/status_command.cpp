// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/report/console.hpp>
#include "cli/http_client.hpp"
#include "cli/status_table.hpp"

namespace nswarden {
namespace {

/// Ends the command with a line on stderr. Thrown within this file only.
struct Complaint {
  std::string line;
  int code = exit_unreadable;
};

std::string line_of(const HttpProblem& problem, const Url& url, std::chrono::milliseconds timeout) {
  const std::string at = url.shown();
  switch (problem.kind) {
    case HttpProblem::Kind::unreachable:
      return fmt::format("cannot reach {}: {}; is nswarden running? --url names another address", at, problem.why);
    case HttpProblem::Kind::late:
      return fmt::format("{} did not answer within {}; --timeout gives it longer", at, format_duration(timeout));
    case HttpProblem::Kind::untrusted:
      return fmt::format("the certificate of {} is not trusted: {}; --tls.ca-file names the CA that signed it", at,
                         problem.why);
    case HttpProblem::Kind::wrong_name:
      return fmt::format("the certificate of {} is for another host: {}; --url has to name the host as its certificate does",
                         at, problem.why);
    case HttpProblem::Kind::wants_certificate:
      return fmt::format("{} ends the TLS handshake: {}; does it want a certificate, by --tls.cert-file and --tls.key-file?",
                         at, problem.why);
    case HttpProblem::Kind::tls: return fmt::format("no TLS with {}: {}", at, problem.why);
    case HttpProblem::Kind::no_tls:
      return fmt::format("{} does not speak TLS: {}; write http:// if it is to be trusted without", at, problem.why);
    case HttpProblem::Kind::unreadable_answer: return fmt::format("no nswarden answers at {}: {}", at, problem.why);
    case HttpProblem::Kind::tls_files: return problem.why;
  }
  return {};
}

std::string line_of_status(int status, const Url& url, const std::string& path) {
  const std::string at = url.shown();
  if (status == 401 && url.credentials.empty()) {
    return fmt::format("{} wants to know who asks: write user:password@ before the host in --url", at);
  }
  if (status == 401) return fmt::format("{} does not take the user:password@ of --url", at);
  if (status == 403) return fmt::format("{} refuses to show {} (HTTP status 403)", at, path);
  return fmt::format("no nswarden answers at {}: {} has HTTP status {}; --url names another address", at, path, status);
}

TlsFiles tls_files(const StatusOptions& options) { return {options.ca_file, options.cert_file, options.key_file}; }

/// One call of `nswarden status`: asks, selects, prints.
class Inquiry {
 public:
  Inquiry(const Options& options, Url url)
      : options_(options),
        url_(std::move(url)),
        files_(tls_files(options.status)),
        client_(url_, files_, std::chrono::steady_clock::now() + options.status.timeout) {}

  int run() {
    Json status = answer("/api/v1/status");
    StatusView view;
    view.netns = options_.netns;
    view.status = understood(status_of(status));
    if (options_.status.events > 0) {
      Json events = answer("/api/v1/events");
      (void)understood(events_of(events));
      status["events"] = last_of(std::move(events["events"]));
    } else {
      status["events"] = Json::array();
    }
    select(status["findings"]);
    view.status = understood(status_of(status));
    view.events = understood(events_of(status));
    view.now = unix_time();
    const StatusVerdict verdict = verdict_of(view);
    if (options_.output == Output::json) {
      if (!options_.netns.empty()) status["compliant"] = verdict == StatusVerdict::compliant;
      // All beyond ASCII is escaped: a terminal may be what reads it.
      fmt::print("{}\n", status.dump(-1, ' ', true));
    } else {
      fmt::print("{}", status_table(view, colour_of_stdout()));
    }
    if (verdict == StatusVerdict::compliant) return exit_compliant;
    return verdict == StatusVerdict::drifted ? exit_drifted : exit_unreadable;
  }

 private:
  Json answer(const std::string& path) {
    auto got = client_.get(path);
    if (const auto* problem = std::get_if<HttpProblem>(&got)) {
      throw Complaint{line_of(*problem, url_, options_.status.timeout),
                      problem->kind == HttpProblem::Kind::tls_files ? int{exit_usage} : int{exit_unreadable}};
    }
    const auto& answer = std::get<HttpAnswer>(got);
    if (answer.status != 200) throw Complaint{line_of_status(answer.status, url_, path)};
    return understood(parse_answer(answer.body));
  }

  template <class Value>
  Value understood(std::variant<Value, Problem> read) const {
    if (const auto* wrong = std::get_if<Problem>(&read)) {
      throw Complaint{fmt::format("no nswarden that this one understands answers at {}: {}", url_.shown(), wrong->message)};
    }
    return std::move(std::get<Value>(read));
  }

  /// Leaves those of the netns that were named, as they are or as they are shown.
  void select(Json& list) const {
    if (options_.netns.empty()) return;
    Json chosen = Json::array();
    for (Json& one : list) {
      const auto label = one.find("netns");
      if (label == one.end() || !label->is_string()) continue;
      const auto is_it = [&label](const std::string& name) { return *label == name || *label == printable(name); };
      if (std::any_of(options_.netns.begin(), options_.netns.end(), is_it)) chosen.push_back(std::move(one));
    }
    list = std::move(chosen);
  }

  [[nodiscard]] Json last_of(Json events) const {
    select(events);
    const std::size_t kept = std::min<std::size_t>(events.size(), options_.status.events);
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kept));
    return events;
  }

  const Options& options_;
  Url url_;
  TlsFiles files_;
  HttpClient client_;
};

/// None: said why.
std::optional<Url> url_or_complaint(const StatusOptions& options) {
  auto url = parse_url(options.url);
  if (auto* good = std::get_if<Url>(&url)) return std::move(*good);
  complain(fmt::format("--url {}; it looks like http://127.0.0.1:10042 or https://USER:PASSWORD@HOST:PORT",
                       std::get<Problem>(url).message));
  return std::nullopt;
}

/// The daemon's own words, which it says in lines; from whoever is there, they are believed no control characters.
void print_lines(std::string_view text) {
  while (!text.empty()) fmt::print("{}\n", printable(take_until(text, '\n')));
}

}  // namespace

int show_status(const Options& options) {
  const auto is_url = [](const std::string& name) { return name.find("://") != std::string::npos; };
  if (std::any_of(options.netns.begin(), options.netns.end(), is_url)) {
    complain("a URL is given in the place of a netns; write it after --url=");
    return exit_usage;
  }
  auto url = url_or_complaint(options.status);
  if (!url) return exit_usage;
  try {
    return Inquiry(options, std::move(*url)).run();
  } catch (const Complaint& complaint) {
    complain(complaint.line);
    return complaint.code;
  }
}

int check_health(const Options& options) {
  constexpr int not_healthy = 1;
  const auto url = url_or_complaint(options.status);
  if (!url) return exit_usage;
  const TlsFiles files = tls_files(options.status);
  HttpClient client(*url, files, std::chrono::steady_clock::now() + options.status.timeout);
  std::string said;
  for (const char* path : {"/-/healthy", "/-/ready"}) {
    const auto got = client.get(path);
    if (const auto* problem = std::get_if<HttpProblem>(&got)) {
      complain(line_of(*problem, *url, options.status.timeout));
      return problem->kind == HttpProblem::Kind::tls_files ? int{exit_usage} : not_healthy;
    }
    const auto& answer = std::get<HttpAnswer>(got);
    if (answer.status != 200) {
      if (answer.status == 503) {
        print_lines(answer.body);
      } else {
        complain(line_of_status(answer.status, *url, path));
      }
      return not_healthy;
    }
    said = answer.body;
  }
  print_lines(said);
  return exit_compliant;
}

}  // namespace nswarden
