// SPDX-License-Identifier: Apache-2.0
#include <nswarden/daemon/instance_lock.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// Escaped for use as one path component.
std::string escaped(std::string_view path) {
  std::string text;
  for (const char c : path) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace

InstanceLock::InstanceLock(const LockOptions& options, const std::vector<std::string>& directories, std::string_view remedy)
    : runtime_directory_(runtime_directory()), remedy_(remedy) {
  if (options.audit) return;
  if (options.file) {
    take_named(*options.file);
    return;
  }
  for (const std::string& path : directories) {
    Directory& directory = directories_.emplace_back(Directory{path, {}, {}});
    const Outcome outcome = take(path);
    if (outcome.kind == Outcome::Kind::taken) {
      throw std::runtime_error(fmt::format("cannot govern {}: {} holds the lock {}; {}", printable(path), holder(outcome.pid),
                                           printable(outcome.file), remedy_));
    }
    if (outcome.kind == Outcome::Kind::held) directory.file = outcome.file;
  }
}

void InstanceLock::take_named(const std::string& file) {
  LockFile::Attempt attempt = LockFile::take(file);
  const std::string shown = printable(file);
  if (const auto* taken = std::get_if<LockFile::Taken>(&attempt)) {
    throw std::runtime_error(
        fmt::format("cannot lock --lock.file {}: {} holds the lock; {}", shown, holder(taken->pid), remedy_));
  }
  if (const auto* error = std::get_if<Error>(&attempt)) {
    throw std::runtime_error(fmt::format("cannot lock --lock.file {}: {}", shown, lock_error(error->code)));
  }
  locks_.emplace(file, std::get<LockFile>(std::move(attempt)));
}

InstanceLock::Outcome InstanceLock::take(const std::string& directory) {
  using Kind = Outcome::Kind;
  const auto place = identify_directory(directory);
  if (!place) return {Kind::failed, {}, 0, place.error().code};
  const std::string file = fmt::format("{}/dir-{}-{}-{}{}{}.lock", runtime_directory_, place->device_major, place->device_minor,
                                       place->inode, place->rest.empty() ? "" : "-", escaped(place->rest));
  // Closing any other fd of a held lock file would release the lock, and two names may refer to the same directory.
  if (locks_.contains(file)) return {Kind::held, file};
  if (const auto made = make_directory(runtime_directory_); !made) return {Kind::failed, file, 0, made.error().code};
  LockFile::Attempt attempt = LockFile::take(file);
  if (const auto* taken = std::get_if<LockFile::Taken>(&attempt)) return {Kind::taken, file, taken->pid, 0};
  if (const auto* error = std::get_if<Error>(&attempt)) return {Kind::failed, file, 0, error->code};
  locks_.emplace(file, std::get<LockFile>(std::move(attempt)));
  return {Kind::held, file};
}

void InstanceLock::update_locks(Log& log) {
  for (Directory& directory : directories_) {
    const Outcome outcome = take(directory.path);
    // A failed attempt gives no information about the directory, so the current lock stays.
    if (outcome.kind != Outcome::Kind::failed) directory.file = outcome.kind == Outcome::Kind::held ? outcome.file : "";
    if (outcome == std::exchange(directory.last, outcome)) continue;
    if (outcome.kind == Outcome::Kind::taken) {
      log.error("another nswarden instance governs this directory",
                {{"directory", directory.path}, {"holder", holder(outcome.pid)}, {"lock", outcome.file}, {"remedy", remedy_}});
    }
    if (outcome.kind == Outcome::Kind::failed) {
      log.warn("cannot lock the directory: a second instance would go undetected",
               {{"directory", directory.path},
                {"lock", outcome.file},
                {"error", lock_error(outcome.error)},
                {"remedy", "give it a runtime directory that it can write to, or --lock.file"}});
    }
  }
  // Releases the locks of directories that were replaced, so other instances may govern the old ones.
  std::erase_if(locks_, [&](const auto& lock) {
    return !directories_.empty() && std::none_of(directories_.begin(), directories_.end(),
                                                 [&](const Directory& directory) { return directory.file == lock.first; });
  });
}

}  // namespace nswarden
