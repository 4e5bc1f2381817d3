// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/file.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>
#include <optional>

namespace nswarden {
namespace {

Result<void> write_new(const std::string& path, std::string_view content) {
  // The file of a killed process, or one that another user created to capture the content.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Error{errno, "remove file"};
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return Error{errno, "create file"};
  while (!content.empty()) {
    const ssize_t size = ::write(file.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Error{size == 0 ? ENOSPC : errno, "write file"};
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

bool is_read_only(const std::string& path) {
  struct statvfs status {};
  return ::statvfs(path.c_str(), &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

/// Names the users, besides root and the daemon's, that may write a file with this status.
std::optional<std::string> other_writer(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return "owned by user " + std::to_string(status.st_uid) + "; chown root";
  }
  if ((status.st_mode & S_IWOTH) != 0) return "writable by all users; chmod o-w";
  if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0) {
    return "writable by group " + std::to_string(status.st_gid) + "; chmod g-w";
  }
  return std::nullopt;
}

/// Names the users that may replace the file through its folder.
std::optional<Distrusted> check_folder_trust(const std::string& path) {
  const std::string folder = folder_of(path);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return std::nullopt;
  // In a sticky folder a user can replace only its own files.
  if ((status.st_mode & S_ISVTX) != 0 && status.st_uid == 0) return std::nullopt;
  if (auto reason = other_writer(status)) {
    return Distrusted{"it can be replaced, because its directory is " + *std::move(reason) + ' ' + folder};
  }
  return std::nullopt;
}

/// `file` is the fd that is read, even if `path` leads to another file by now. A link may lead to it, so both folders count.
std::optional<Distrusted> check_file_trust(const Fd& file, const std::string& path) {
  struct stat status {};
  struct statvfs mount {};
  if (::fstat(file.get(), &status) != 0) return std::nullopt;
  if (::fstatvfs(file.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) return std::nullopt;
  if (auto reason = other_writer(status)) return Distrusted{"it is " + *std::move(reason) + ' ' + path};
  const std::string real = target_of_link(path_of_fd(file.get()));
  if (real.starts_with('/')) {
    if (auto distrusted = check_folder_trust(real)) return distrusted;
  }
  return check_folder_trust(path);
}

std::uint64_t mix(std::uint64_t sum, std::uint64_t value) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  return (sum ^ value) * odd + (sum >> 29U);
}

std::uint64_t fingerprint_of(const struct stat& status) {
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

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, "open file"};
  if (S_ISDIR(status.st_mode)) return Error{EISDIR, "open file"};
  if (!S_ISREG(status.st_mode)) return Error{EINVAL, "open file"};

  // st_size is not trusted: it is 0 for files of procfs, and other files may grow.
  std::string content;
  std::array<char, 16384> batch{};
  while (true) {
    const std::size_t room = std::min(batch.size(), max_bytes - content.size() + 1);
    const ssize_t size = ::read(file.get(), batch.data(), room);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Error{errno, "read file"};
    if (size == 0) return content;
    content.append(batch.data(), static_cast<std::size_t>(size));
    if (content.size() > max_bytes) return Error{EFBIG, "read file"};
  }
}

std::string target_of_link(const std::string& path) {
  std::array<char, PATH_MAX> target;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : std::string();
}

Result<void> replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  Result<void> done = write_new(fresh, content);
  if (done && ::rename(fresh.c_str(), path.c_str()) != 0) done = Error{errno, "replace file"};
  if (!done) ::unlink(fresh.c_str());
  return done;
}

Result<void> move_aside(const std::string& path, std::string_view suffix) {
  const std::string destination = path + std::string(suffix);
  if (::rename(path.c_str(), destination.c_str()) != 0) return Error{errno, "rename file"};
  return {};
}

Fd open_directory(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)); }

Result<void> read_directory(int directory, std::string_view attempt, const TakeEntry& take) {
  alignas(dirent64) std::array<char, std::size_t{32} << 10> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const ssize_t size = ::getdents64(directory, batch.data(), batch.size());
    if (size < 0) return Error{errno, attempt};
    if (size == 0) return {};
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(batch.data() + at);
      at += entry->d_reclen;
      if (!is_dots(entry->d_name)) take(entry->d_name, entry->d_type);
    }
  }
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::variant<std::string, Distrusted, Error> read_trusted_file(const std::string& path, std::size_t max_bytes) {
  // Checks and reads the same open file, even if it is replaced meanwhile.
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return Error{errno, "open file"};
  Result<std::string> text = read_file(path_of_fd(file.get()), max_bytes);
  if (!text) return text.error();
  if (auto distrusted = check_file_trust(file, path)) return *std::move(distrusted);
  return *std::move(text);
}

std::variant<std::vector<std::string>, Distrusted, Error> list_trusted_folder(const std::string& path) {
  const Fd folder = open_directory(path);
  struct stat status {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return Error{errno, "open folder"};
  if (!is_read_only(path)) {
    if (auto reason = other_writer(status)) return Distrusted{"it is " + *std::move(reason) + ' ' + path};
  }
  std::vector<std::string> names;
  const Result<void> read =
      read_directory(folder.get(), "read folder", [&](const char* name, auto) { names.emplace_back(name); });
  // ENOENT: the directory was removed since it was opened.
  if (!read && read.error().code != ENOENT) return read.error();
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
  std::uint64_t sum = fingerprint_of(status);
  if (!S_ISDIR(status.st_mode)) return sum;
  const Fd folder = open_directory(path);
  if (!folder) return sum;
  // A sum, because the order of entries may differ.
  std::uint64_t entries = 0;
  (void)read_directory(folder.get(), "read folder", [&](const char* name, auto) {
    if (::fstatat(folder.get(), name, &status, 0) != 0) return;
    entries += mix(fingerprint_of(status), std::hash<std::string_view>{}(name));
  });
  return mix(sum, entries) | 1U;
}

}  // namespace nswarden
