// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/privilege.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <string_view>

#include <nswarden/base/text.hpp>
#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

/// `name` without "CAP_".
std::string missing_capability_text(Capability capability, std::string_view name, const OwnCapabilities& own) {
  if (!own.could_have(capability)) {
    return fmt::format(
        "CAP_{0} is missing from the bounding set; add it to the container (--cap-add={0}, capabilities.add) or to the unit "
        "(CapabilityBoundingSet=, AmbientCapabilities=)",
        name);
  }
  if (own.no_new_privs) {
    return fmt::format(
        "CAP_{0} is missing: no_new_privs disables the capabilities of the program file; remove allowPrivilegeEscalation: "
        "false "
        "or no-new-privileges, or make the capability ambient",
        name);
  }
  return fmt::format(
      "CAP_{0} is missing; make it ambient (AmbientCapabilities=), set it on the program file (setcap), or run as root", name);
}

}  // namespace

std::string with_remedy(int error) {
  std::string text = error_text(error);
  switch (error) {
    case EMFILE: return text + "; raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)";
    case ENFILE: return text + "; raise fs.file-max";
    case ENOMEM: return text + "; raise the memory limit of the unit or container";
    default: return text;
  }
}

std::string enter_error_text(int error) {
  if (error != EPERM) return fmt::format("cannot enter network namespaces: {}", with_remedy(error));
  const std::string text = error_text(error);
  const OwnCapabilities own = own_capabilities();
  if (!own.has(Capability::sys_admin)) {
    return fmt::format("cannot enter network namespaces: {}; {}", text,
                       missing_capability_text(Capability::sys_admin, "SYS_ADMIN", own));
  }
  return fmt::format(
      "cannot enter network namespaces: {}; grant CAP_SYS_ADMIN in the host's user namespace, and allow setns in the seccomp "
      "filter",
      text);
}

std::vector<std::string> missing_privileges() {
  std::vector<std::string> found;
  const OwnCapabilities own = own_capabilities();
  // uid 0 owns the files.
  if (!own.root && !own.has(Capability::net_admin)) {
    found.push_back("cannot set sysctls: " + missing_capability_text(Capability::net_admin, "NET_ADMIN", own));
  }
  if (procfs_is_read_only()) {
    found.push_back(
        fmt::format("cannot set sysctls: {} is mounted read-only; in a container, mount the host's /proc writable, for example "
                    "at /host/proc, and set --path.procfs",
                    in_procfs("sys/net")));
  }
  return found;
}

}  // namespace nswarden
