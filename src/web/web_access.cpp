// SPDX-License-Identifier: Apache-2.0
#include <nswarden/web/web_access.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <variant>

#include <nswarden/base/text.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/trusted_path.hpp>

namespace nswarden {
namespace {

constexpr std::size_t largest_pem = 1 << 20;

/// Root is used to reading everything.
std::string why_not_read(int error) {
  std::string text = error_text(error);
  if (error != EACCES) return text;
  return text +
         "; it is read without capabilities, as by the threads that serve: its owner, group or mode has to let the daemon's "
         "user read it";
}

std::string path_beside(const std::string& file, const std::string& named) {
  return named.starts_with('/') ? named : file.substr(0, file.rfind('/') + 1) + named;
}

}  // namespace

WebAccess::WebAccess(std::string path, Log& log, Metrics& metrics) : path_(std::move(path)), log_(log), metrics_(metrics) {
  // As all later versions are read: HTTP threads have no capabilities.
  const CapabilitiesAside as_a_reader;
  Loaded loaded = load();
  if (!loaded.version) throw std::runtime_error(loaded.problem);
  take(std::move(loaded));
}

/// Each print is taken before its file is read, so that a change in between is seen at the next look.
WebAccess::Loaded WebAccess::load() const {
  Loaded loaded;
  loaded.prints.emplace_back(path_, fingerprint(path_));
  const auto text = read_file(path_, max_config_size);
  if (!text) {
    loaded.problem = fmt::format("cannot read {}: {}", printable(path_), why_not_read(text.error().code));
    return loaded;
  }
  auto parsed = parse_web_config(*text);
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) {
      loaded.problem += fmt::format("{}{}:{}:{}: {}", loaded.problem.empty() ? "" : "\n", printable(path_), problem.where.line,
                                    problem.where.column, problem.message);
    }
    return loaded;
  }
  auto& config = std::get<WebConfig>(parsed);
  auto version = std::make_shared<Version>();
  load_texts(config, loaded, *version);
  if (!loaded.problem.empty()) return loaded;
  version->headers = std::move(config.headers);
  // Passwords that were checked once need not be checked again because of a new certificate.
  const bool same_users = version_ && version_->auth && users_ == config.users;
  if (same_users) {
    version->auth = version_->auth;
  } else if (!config.users.empty()) {
    version->auth = std::make_shared<BasicAuth>(config.users);
  }
  loaded.users = std::move(config.users);
  loaded.version = std::move(version);
  return loaded;
}

void WebAccess::load_texts(const WebConfig& config, Loaded& loaded, Version& version) const {
  if (!config.tls) return;
  version.needs_certificate = config.tls->client_auth == ClientAuth::require_and_verify;
  const auto read = [&](const PemSource& source) {
    if (source.path.empty()) return source.text;
    const std::string path = path_beside(path_, source.path);
    loaded.prints.emplace_back(path, fingerprint(path));
    auto text = read_file(path, largest_pem);
    if (text) return std::move(*text);
    if (loaded.problem.empty()) {
      loaded.problem = fmt::format("{}:{}:{}: cannot read {}: {}", printable(path_), source.where.line, source.where.column,
                                   printable(path), why_not_read(text.error().code));
    }
    return std::string();
  };
  TlsTexts texts{read(config.tls->certificate), read(config.tls->key),
                 config.tls->client_ca ? read(*config.tls->client_ca) : ""};
  if (!loaded.problem.empty()) return;
  auto made = TlsSettings::make(*config.tls, texts);
  if (auto* problem = std::get_if<std::string>(&made)) {
    loaded.problem = fmt::format("{}: tls_server_config: {}", printable(path_), *problem);
  } else {
    version.tls = std::get<std::shared_ptr<const TlsSettings>>(std::move(made));
  }
}

/// Sockets are bound for TLS or not. And a file that is empty or cut short, as some editors leave it for a moment, must not let everyone in.
std::string WebAccess::takes_a_restart(const Version& next) const {
  const auto problem = [this](std::string_view what) {
    return fmt::format("{}: {}; that takes a restart", printable(path_), what);
  };
  if (next.tls && !version_->tls) return problem("tls_server_config has come");
  if (!next.tls && version_->tls) return problem("tls_server_config has gone");
  if (!next.auth && version_->auth) return problem("basic_auth_users has gone");
  if (next.needs_certificate < version_->needs_certificate) return problem("clients need no verified certificate any more");
  return {};
}

void WebAccess::take(Loaded loaded) {
  prints_ = std::move(loaded.prints);
  if (!loaded.version) return;
  version_ = std::move(loaded.version);
  users_ = std::move(loaded.users);
}

void WebAccess::close() {
  const std::lock_guard lock(mutex_);
  if (version_->auth) version_->auth->close();
}

std::shared_ptr<const WebAccess::Version> WebAccess::newest() {
  const std::lock_guard lock(mutex_);
  const auto is_as_read = [](const auto& print) { return fingerprint(print.first) == print.second; };
  if (std::all_of(prints_.begin(), prints_.end(), is_as_read)) return version_;
  Loaded loaded = load();
  if (loaded.version) {
    loaded.problem = takes_a_restart(*loaded.version);
    if (!loaded.problem.empty()) loaded.version.reset();
  }
  const bool good = loaded.version != nullptr;
  if (good) {
    log_.limited("web configuration", LogLevel::info, "web configuration reloaded", {{"file", path_}});
  } else {
    log_.limited("web configuration", LogLevel::error, "web configuration refused; the last good one stays in force",
                 {{"problem", loaded.problem}});
  }
  metrics_.web_config_reloaded(good);
  take(std::move(loaded));
  return version_;
}

}  // namespace nswarden
