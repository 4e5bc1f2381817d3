// SPDX-License-Identifier: Apache-2.0
#include <nswarden/restore/restore_file.hpp>

#include <fmt/format.h>

#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/privilege.hpp>

namespace nswarden {
namespace {

constexpr std::string_view damaged_suffix = ".damaged";

std::string boot_id() {
  const auto id = read_file("/proc/sys/kernel/random/boot_id", 64);
  return id ? id->substr(0, id->find('\n')) : std::string();
}

}  // namespace

RestoreFile::RestoreFile(const std::optional<std::string>& file)
    : file_(file.value_or(runtime_directory() + "/restore")), is_default_(!file), boot_(boot_id()) {}

/// Returns an empty string, or the reason why the lock cannot be taken.
std::string RestoreFile::lock() {
  if (lock_) return {};
  if (boot_.empty()) return "cannot read /proc/sys/kernel/random/boot_id, and values of another boot must not be restored";
  if (is_default_) {
    if (const auto made = make_directory(runtime_directory()); !made) {
      return fmt::format("cannot create {}: {}", printable(runtime_directory()), with_remedy(made.error().code));
    }
  }
  const std::string file = file_ + ".lock";
  LockFile::Attempt attempt = LockFile::take(file);
  if (const auto* taken = std::get_if<LockFile::Taken>(&attempt)) {
    return fmt::format("{} uses it; set another --restore.file for each instance", holder(taken->pid));
  }
  if (const auto* error = std::get_if<Error>(&attempt)) {
    return fmt::format("cannot lock {}: {}", printable(file), lock_error(error->code));
  }
  lock_ = std::get<LockFile>(std::move(attempt));
  return {};
}

RestoreFile::Loaded RestoreFile::load() {
  const std::string shown = printable(file_);
  if (fingerprint(file_) == 0) return {};
  if (const std::string reason = lock(); !reason.empty()) return {{}, fmt::format("cannot read {}: {}", shown, reason)};
  auto read = read_trusted_file(file_, RestoreBook::max_text_size);
  if (const auto* distrusted = std::get_if<Distrusted>(&read)) {
    return {{}, fmt::format("cannot trust {}: {}", shown, printable(distrusted->reason))};
  }
  if (const auto* error = std::get_if<Error>(&read)) {
    return {{}, fmt::format("cannot read {}: {}", shown, with_remedy(error->code))};
  }
  auto book = RestoreBook::parse(std::get<std::string>(read), boot_);
  if (auto* whole = std::get_if<RestoreBook>(&book)) return {std::move(*whole), {}};
  // On failure the file stays in place, and the next save replaces it.
  const bool aside = move_aside(file_, damaged_suffix).ok();
  return {{},
          fmt::format("cannot restore from {}: {}; earlier changes stay{}", shown, std::get<Problem>(book).message,
                      aside ? fmt::format(", file renamed to {}{}", shown, damaged_suffix) : "")};
}

std::string RestoreFile::save(const RestoreBook& book) {
  const std::string shown = printable(file_);
  if (book.empty() && fingerprint(file_) == 0) return {};
  if (const std::string reason = lock(); !reason.empty()) return fmt::format("cannot write {}: {}", shown, reason);
  const auto done = replace_file(file_, book.text(boot_));
  return done ? std::string() : fmt::format("cannot write {}: {}", shown, with_remedy(done.error().code));
}

}  // namespace nswarden
