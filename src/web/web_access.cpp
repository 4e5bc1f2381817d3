// SPDX-License-Identifier: Apache-2.0
#include <nswarden/web/web_access.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <variant>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/file.hpp>

namespace nswarden {
namespace {

constexpr std::size_t largest_pem = 1 << 20;

/// Remedy for EACCES, which surprises users running as root.
std::string read_error_text(int error) {
  std::string text = error_text(error);
  if (error != EACCES) return text;
  return text +
         "; the daemon reads this file without capabilities: change its owner, group or mode so that the daemon's user can "
         "read it";
}

std::string path_beside(const std::string& file, const std::string& named) {
  return named.starts_with('/') ? named : file.substr(0, file.rfind('/') + 1) + named;
}

}  // namespace

WebAccess::WebAccess(std::string path, Log& log, Metrics& metrics) : path_(std::move(path)), log_(log), metrics_(metrics) {
  // Read without capabilities, as HTTP threads do on later reads.
  const CapabilitiesDisabled as_a_reader;
  Reading reading = load();
  if (!reading.version) throw std::runtime_error(reading.problem);
  adopt(std::move(reading));
}

/// Takes each fingerprint before reading its file, so that the next check detects a change in between.
WebAccess::Reading WebAccess::load() const {
  Reading reading;
  reading.fingerprints.emplace_back(path_, fingerprint(path_));
  const auto text = read_file(path_, max_config_size);
  if (!text) {
    reading.problem = fmt::format("cannot read {}: {}", printable(path_), read_error_text(text.error().code));
    return reading;
  }
  auto parsed = parse_web_config(*text);
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) {
      reading.problem += (reading.problem.empty() ? "" : "\n") + format_problem(path_, problem);
    }
    return reading;
  }
  auto& config = std::get<WebConfig>(parsed);
  auto version = std::make_shared<Version>();
  load_texts(config, reading, *version);
  if (!reading.problem.empty()) return reading;
  version->headers = std::move(config.headers);
  // A new certificate keeps the cached password checks.
  const bool same_users = version_ && version_->auth && version_->users == config.users;
  if (same_users) {
    version->auth = version_->auth;
  } else if (!config.users.empty()) {
    version->auth = std::make_shared<BasicAuth>(config.users);
  }
  version->users = std::move(config.users);
  reading.version = std::move(version);
  return reading;
}

void WebAccess::load_texts(const WebConfig& config, Reading& reading, Version& version) const {
  if (!config.tls) return;
  version.needs_certificate = config.tls->client_auth == ClientAuth::require_and_verify;
  const auto read = [&](const PemSource& source) {
    if (source.path.empty()) return source.text;
    const std::string path = path_beside(path_, source.path);
    reading.fingerprints.emplace_back(path, fingerprint(path));
    auto text = read_file(path, largest_pem);
    if (text) return std::move(*text);
    if (reading.problem.empty()) {
      const std::string problem = fmt::format("cannot read {}: {}", printable(path), read_error_text(text.error().code));
      reading.problem = format_problem(path_, {source.position, problem});
    }
    return std::string();
  };
  TlsTexts texts{read(config.tls->certificate), read(config.tls->key),
                 config.tls->client_ca ? read(*config.tls->client_ca) : ""};
  if (!reading.problem.empty()) return;
  auto made = make_tls_context(*config.tls, texts);
  if (auto* problem = std::get_if<Problem>(&made)) {
    reading.problem = fmt::format("{}: tls_server_config: {}", printable(path_), problem->message);
  } else {
    version.tls = std::get<TlsContext>(std::move(made));
  }
}

/// Sockets are bound either with or without TLS. An empty or truncated file, as some editors leave it for a moment, must not
/// remove access control.
std::string WebAccess::needs_restart(const Version& next) const {
  const auto problem = [this](std::string_view change) {
    return fmt::format("{}: {}; restart the daemon to apply this", printable(path_), change);
  };
  if (next.tls && !version_->tls) return problem("tls_server_config was added");
  if (!next.tls && version_->tls) return problem("tls_server_config was removed");
  if (!next.auth && version_->auth) return problem("basic_auth_users was removed");
  if (next.needs_certificate < version_->needs_certificate)
    return problem("the requirement of a verified client certificate was removed");
  return {};
}

void WebAccess::adopt(Reading reading) {
  fingerprints_ = std::move(reading.fingerprints);
  if (reading.version) version_ = std::move(reading.version);
}

void WebAccess::close() {
  const std::lock_guard lock(mutex_);
  if (version_->auth) version_->auth->close();
}

std::shared_ptr<const WebAccess::Version> WebAccess::newest() {
  const std::lock_guard lock(mutex_);
  const auto is_unchanged = [](const auto& fingerprint_then) {
    return fingerprint(fingerprint_then.first) == fingerprint_then.second;
  };
  if (std::all_of(fingerprints_.begin(), fingerprints_.end(), is_unchanged)) return version_;
  Reading reading = load();
  if (reading.version) {
    reading.problem = needs_restart(*reading.version);
    if (!reading.problem.empty()) reading.version.reset();
  }
  const bool accepted = reading.version != nullptr;
  if (accepted) {
    log_.limited("web configuration", LogLevel::info, "web configuration reloaded", {{"file", path_}});
  } else {
    log_.limited("web configuration", LogLevel::error, "web configuration rejected, keeping the previous one",
                 {{"problem", reading.problem}});
  }
  metrics_.web_config_reloaded(accepted);
  adopt(std::move(reading));
  return version_;
}

}  // namespace nswarden
