// SPDX-License-Identifier: Apache-2.0
#include "config/config_files.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <nswarden/base/text.hpp>
#include <nswarden/os/trusted_path.hpp>

namespace nswarden::app {
namespace {

core::Unreadable unreadable(const core::Error& error) {
  return {error.code == ENOENT, std::generic_category().message(error.code)};
}

core::Unreadable unreadable(const os::Distrusted& distrusted) {
  return {false, "not trusted: " + core::printable(distrusted.why)};
}

}  // namespace

void ConfigFiles::note(const std::string& path) {
  const bool known = std::any_of(asked_.begin(), asked_.end(), [&path](const auto& one) { return one.path == path; });
  if (!known) asked_.push_back({path, os::fingerprint(path)});
}

std::variant<std::string, core::Unreadable> ConfigFiles::read(const std::string& path) {
  note(path);
  auto text = os::read_trusted_file(path, core::max_config_size);
  if (auto* bytes = std::get_if<std::string>(&text)) {
    hash_.add(*bytes);
    return std::move(*bytes);
  }
  if (const auto* distrusted = std::get_if<os::Distrusted>(&text)) return unreadable(*distrusted);
  const core::Error error = std::get<core::Error>(text);
  if (error.code == EFBIG) return core::Unreadable{false, "larger than 1 MiB"};
  return unreadable(error);
}

std::variant<std::vector<std::string>, core::NoFolder, core::Unreadable> ConfigFiles::list(const std::string& path) {
  note(path);
  auto names = os::list_trusted_folder(path);
  if (auto* found = std::get_if<std::vector<std::string>>(&names)) return std::move(*found);
  if (const auto* distrusted = std::get_if<os::Distrusted>(&names)) return unreadable(*distrusted);
  const core::Error error = std::get<core::Error>(names);
  if (error.code == ENOTDIR) return core::NoFolder{};
  return unreadable(error);
}

}  // namespace nswarden::app
