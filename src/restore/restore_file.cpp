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
  if (boot_.empty())
    return "/proc/sys/kernel/random/boot_id cannot be read, and without it nobody could tell of which boot it is";
  if (is_default_) {
    if (const auto made = make_directory(runtime_directory()); !made) {
      return fmt::format("{}: {}", printable(runtime_directory()), with_remedy(made.error().code));
    }
  }
  const std::string file = file_ + ".lock";
  LockFile::Attempt attempt = LockFile::take(file);
  if (const auto* taken = std::get_if<LockFile::Taken>(&attempt)) {
    return fmt::format("it is kept by {}; give each one its own with --restore.file", holder(taken->pid));
  }
  if (const auto* error = std::get_if<Error>(&attempt)) {
    return fmt::format("{} cannot be locked: {}", printable(file), lock_error(error->code));
  }
  lock_ = std::get<LockFile>(std::move(attempt));
  return {};
}

RestoreFile::Loaded RestoreFile::load() {
  const std::string shown = printable(file_);
  if (fingerprint(file_) == 0) return {};
  if (const std::string why = lock(); !why.empty()) return {{}, fmt::format("{} is not read: {}", shown, why)};
  auto read = read_trusted_file(file_, RestoreBook::max_text_size);
  if (const auto* distrusted = std::get_if<Distrusted>(&read)) {
    return {{}, fmt::format("{} is not trusted: {}", shown, printable(distrusted->why))};
  }
  if (const auto* error = std::get_if<Error>(&read)) {
    return {{}, fmt::format("{} cannot be read: {}", shown, with_remedy(error->code))};
  }
  auto book = RestoreBook::parse(std::get<std::string>(read), boot_);
  if (auto* whole = std::get_if<RestoreBook>(&book)) return {std::move(*whole), {}};
  // On failure the file stays in place, and the next save replaces it.
  const bool aside = move_aside(file_, damaged_suffix).ok();
  return {
      {},
      fmt::format("{} is not as nswarden writes it: {}; what was changed before stays as it is{}", shown,
                  std::get<Problem>(book).message, aside ? fmt::format(", and it is now {}{}", shown, damaged_suffix) : "")};
}

std::string RestoreFile::save(const RestoreBook& book) {
  const std::string shown = printable(file_);
  if (book.empty() && fingerprint(file_) == 0) return {};
  if (const std::string why = lock(); !why.empty()) return fmt::format("{} is not written: {}", shown, why);
  const auto done = replace_file(file_, book.text(boot_));
  return done ? std::string() : fmt::format("{} cannot be written: {}", shown, with_remedy(done.error().code));
}

}  // namespace nswarden
