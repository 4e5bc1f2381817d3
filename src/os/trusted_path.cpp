// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/trusted_path.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <optional>
#include <string_view>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/file.hpp>

namespace nswarden {

namespace {

bool is_read_only(const std::string& path) {
  struct statvfs status {};
  return ::statvfs(path.c_str(), &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

/// Names the users besides root and the daemon's that may write a file of this status.
std::optional<std::string> writer_besides_us(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return "it belongs to user " + std::to_string(status.st_uid) + "; chown root";
  }
  if ((status.st_mode & S_IWOTH) != 0) return "everybody may write it; chmod o-w";
  if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0) {
    return "group " + std::to_string(status.st_gid) + " may write it; chmod g-w";
  }
  return std::nullopt;
}

/// Names the users that may put another file in the place of this one, by its folder.
std::optional<Distrusted> distrust_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return std::nullopt;
  // In a sticky one a user can replace only its own files.
  if ((status.st_mode & S_ISVTX) != 0 && status.st_uid == 0) return std::nullopt;
  if (auto why = writer_besides_us(status)) {
    return Distrusted{"others may put another file in its place, by its folder: " + *std::move(why) + ' ' + folder};
  }
  return std::nullopt;
}

/// `file` is the one that is read, even if another one is at `path` by now. A link may lead to it, so both of its folders count.
std::optional<Distrusted> distrust_file(const Fd& file, const std::string& path) {
  struct stat status {};
  struct statvfs mount {};
  if (::fstat(file.get(), &status) != 0) return std::nullopt;
  if (::fstatvfs(file.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) return std::nullopt;
  if (auto why = writer_besides_us(status)) return Distrusted{*std::move(why) + ' ' + path};
  const std::string real = target_of_link("/proc/self/fd/" + std::to_string(file.get()));
  if (real.starts_with('/')) {
    if (auto distrusted = distrust_folder(real)) return distrusted;
  }
  return distrust_folder(path);
}

std::uint64_t mix(std::uint64_t sum, std::uint64_t value) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  return (sum ^ value) * odd + (sum >> 29U);
}

std::uint64_t print_of(const struct stat& status) {
  std::uint64_t sum = 1;
  for (const auto part :
       {std::uint64_t{status.st_dev}, std::uint64_t{status.st_ino}, static_cast<std::uint64_t>(status.st_size),
        static_cast<std::uint64_t>(status.st_mtim.tv_sec), static_cast<std::uint64_t>(status.st_mtim.tv_nsec),
        std::uint64_t{status.st_mode}, std::uint64_t{status.st_uid}}) {
    sum = mix(sum, part);
  }
  return sum | 1U;
}

}  // namespace

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::variant<std::string, Distrusted, Error> read_trusted_file(const std::string& path, std::size_t max_bytes) {
  // Only that file is judged and read, not one that is put in its place meanwhile.
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return Error{errno, "open file"};
  Result<std::string> text = read_file("/proc/self/fd/" + std::to_string(file.get()), max_bytes);
  if (!text) return text.error();
  if (auto distrusted = distrust_file(file, path)) return *std::move(distrusted);
  return *std::move(text);
}

std::variant<std::vector<std::string>, Distrusted, Error> list_trusted_folder(const std::string& path) {
  const DirectoryStream folder(::opendir(path.c_str()));
  struct stat status {};
  if (!folder || ::fstat(::dirfd(folder.get()), &status) != 0) return Error{errno, "open folder"};
  if (!is_read_only(path)) {
    if (auto why = writer_besides_us(status)) return Distrusted{*std::move(why) + ' ' + path};
  }
  std::vector<std::string> names;
  errno = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream
  for (const dirent* entry = ::readdir(folder.get()); entry != nullptr; entry = ::readdir(folder.get())) {
    if (!is_dots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return Error{errno, "read folder"};
  return names;
}

bool is_settled(const std::string& path) {
  struct stat status {};
  timespec now{};
  if (::stat(path.c_str(), &status) != 0 || ::clock_gettime(CLOCK_REALTIME, &now) != 0) return true;
  const auto age = now.tv_sec - status.st_mtim.tv_sec;
  return age < 0 || age > 1;
}

std::uint64_t fingerprint(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  std::uint64_t sum = print_of(status);
  if (!S_ISDIR(status.st_mode)) return sum;
  const DirectoryStream folder(::opendir(path.c_str()));
  if (!folder) return sum;
  // A sum, as their order may differ.
  std::uint64_t entries = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream
  for (const dirent* entry = ::readdir(folder.get()); entry != nullptr; entry = ::readdir(folder.get())) {
    if (is_dots(entry->d_name) || ::fstatat(::dirfd(folder.get()), entry->d_name, &status, 0) != 0) continue;
    entries += mix(print_of(status), std::hash<std::string_view>{}(entry->d_name));
  }
  return mix(sum, entries) | 1U;
}

}  // namespace nswarden
