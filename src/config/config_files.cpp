// SPDX-License-Identifier: Apache-2.0
#include "config/config_files.hpp"

#include <algorithm>
#include <cerrno>

#include <nswarden/base/text.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include <nswarden/os/file.hpp>

namespace nswarden {
namespace {

Problem unreadable(const Error& error) { return {{}, error_text(error.code)}; }

Problem unreadable(const Distrusted& distrusted) { return {{}, "not trusted: " + printable(distrusted.why)}; }

}  // namespace

bool ConfigFiles::is_absent(const std::string& path) {
  const auto text = read_file(path, max_config_size);
  return !text && text.error().code == ENOENT;
}

void ConfigFiles::note(const std::string& path) {
  const bool known = std::any_of(asked_.begin(), asked_.end(), [&path](const auto& one) { return one.path == path; });
  if (!known) asked_.push_back({path, fingerprint(path)});
}

std::variant<std::string, Problem> ConfigFiles::read(const std::string& path) {
  note(path);
  auto text = read_trusted_file(path, max_config_size);
  if (auto* bytes = std::get_if<std::string>(&text)) {
    hash_.add(*bytes);
    return std::move(*bytes);
  }
  if (const auto* distrusted = std::get_if<Distrusted>(&text)) return unreadable(*distrusted);
  const Error error = std::get<Error>(text);
  if (error.code == EFBIG) return Problem{{}, "larger than 1 MiB"};
  return unreadable(error);
}

std::variant<FileReader::Names, Problem> ConfigFiles::list(const std::string& path) {
  note(path);
  auto names = list_trusted_folder(path);
  if (auto* found = std::get_if<std::vector<std::string>>(&names)) return std::move(*found);
  if (const auto* distrusted = std::get_if<Distrusted>(&names)) return unreadable(*distrusted);
  const Error error = std::get<Error>(names);
  if (error.code == ENOTDIR) return Names{};
  return unreadable(error);
}

}  // namespace nswarden
