// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/runtime_directory.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <nswarden/os/privilege.hpp>

namespace nswarden {
namespace {

constexpr std::string_view default_runtime_directory = "/run/nswarden";

}  // namespace

// systemd tells of the unit's own, of several with colons between them.
std::string runtime_directory() {
  const char* given = std::getenv("RUNTIME_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::string_view first = given == nullptr ? "" : std::string_view(given).substr(0, std::string_view(given).find(':'));
  return std::string(first.starts_with('/') ? first : default_runtime_directory);
}

std::string holder(std::int64_t pid) {
  return pid == 0 ? "another nswarden (in another PID namespace)" : fmt::format("another nswarden (pid {})", pid);
}

std::string lock_error(int error) {
  if (error == EINVAL) return "it is no regular file";
  if (error == ELOOP) return "it is a symbolic link";
  return with_remedy(error);
}

}  // namespace nswarden
