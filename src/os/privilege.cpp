// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/privilege.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <nswarden/base/text.hpp>
#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

constexpr const char* procfs_variable = "NSWARDEN_PROCFS";

/// `name` without "CAP_".
std::string lack_of(Capability capability, std::string_view name, const OwnCapabilities& own) {
  if (!own.could_have(capability)) {
    return fmt::format(
        "CAP_{0} is missing, not even in the bounding set; add it to the container (--cap-add={0}, capabilities.add) or to the "
        "unit (CapabilityBoundingSet=, AmbientCapabilities=)",
        name);
  }
  if (own.no_new_privs) {
    return fmt::format(
        "CAP_{0} is missing, and no_new_privs keeps the program file from giving it; allow that (no allowPrivilegeEscalation: "
        "false, no no-new-privileges) or make it an ambient one",
        name);
  }
  return fmt::format(
      "CAP_{0} is missing; make it an ambient one (AmbientCapabilities=) or one of the program file (setcap), or run as root",
      name);
}

}  // namespace

std::string with_remedy(int error) {
  std::string text = std::generic_category().message(error);
  switch (error) {
    case EMFILE: return text + "; raise the limit of open files (LimitNOFILE= of its unit, or ulimit -n)";
    case ENFILE: return text + "; raise fs.file-max";
    case ENOMEM: return text + "; raise the memory limit of its unit or container";
    default: return text;
  }
}

std::string cannot_enter_any(int error) {
  if (error != EPERM) return fmt::format("cannot enter network namespaces: {}", with_remedy(error));
  const std::string text = std::generic_category().message(error);
  const OwnCapabilities own = own_capabilities();
  if (!own.has(Capability::sys_admin)) {
    return fmt::format("cannot enter network namespaces: {}; {}", text, lack_of(Capability::sys_admin, "SYS_ADMIN", own));
  }
  return fmt::format(
      "cannot enter network namespaces: {}; it takes CAP_SYS_ADMIN of the host's user namespace, and no filter of system "
      "calls against setns",
      text);
}

std::vector<std::string> hindrances() {
  std::vector<std::string> found;
  const OwnCapabilities own = own_capabilities();
  // uid 0 owns the files.
  if (!own.root && !own.has(Capability::net_admin)) {
    found.push_back("no sysctl can be set: " + lack_of(Capability::net_admin, "NET_ADMIN", own));
  }
  if (procfs_is_read_only()) {
    found.push_back(
        fmt::format("no sysctl can be set: {} is mounted read-only; in a container mount the host's /proc, writable, such as "
                    "at /host/proc, and name it by --path.procfs",
                    in_procfs("sys/net")));
  }
  return found;
}

bool choose_procfs(const Options& options) {
  const auto needs_none = {Command::config_convert, Command::config_events, Command::config_schema, Command::status,
                           Command::healthcheck};
  if (std::find(needs_none.begin(), needs_none.end(), options.command) != needs_none.end()) return true;
  if (options.command == Command::config_check && !options.live) return true;
  const bool asked = options.procfs.has_value();
  const char* variable = std::getenv(procfs_variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::string directory = asked ? *options.procfs : variable == nullptr ? "" : variable;
  if (directory.empty() && !asked) return true;
  const auto used = use_procfs(directory);
  if (used) return true;
  const int error = used.error().code;
  const std::string what = error == EMEDIUMTYPE ? "it is no procfs" : std::generic_category().message(error);
  fmt::print(
      stderr,
      "nswarden: {} {}: cannot {}: {}; mount the host's /proc there, not read-only (-v /proc:{}, or a hostPath volume)\n",
      asked ? "--path.procfs" : procfs_variable, printable(directory), used.error().attempt, what, printable(directory));
  return false;
}

}  // namespace nswarden
