// SPDX-License-Identifier: Apache-2.0
#include "commands/command_rights.hpp"

#include <linux/securebits.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include <nswarden/os/capabilities.hpp>

namespace nswarden {
namespace {

constexpr unsigned long most_capabilities = 64;

/// It bounds what an exec could give. no_new_privs forbids all of that anyway, so that nothing depends on CAP_SETPCAP for this.
void empty_bounding_set() {
  for (unsigned long capability = 0; capability < most_capabilities; ++capability) {
    // EINVAL: past the last one that the kernel knows.
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

/// A shell of root has them by itself, one of another user by the ambient set alone. systemd fills that one, capabilities of files
/// leave it empty.
Result<void> pass_on_capabilities() {
  const int securebits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (securebits < 0) return Error{errno, "get securebits"};
  if (::geteuid() == 0 && (securebits & SECBIT_NOROOT) == 0) return {};
  CapabilitySets sets{};
  if (!get_capabilities(sets)) return Error{errno, "get capabilities"};
  for (auto& half : sets) half.inheritable |= half.permitted;
  if (!set_capabilities(sets)) return Error{errno, "make capabilities inheritable"};
  for (unsigned long capability = 0; capability < most_capabilities; ++capability) {
    if ((sets.at(capability / 32).permitted >> (capability % 32) & 1U) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return Error{errno, "raise ambient capability"};
  }
  return {};
}

}  // namespace

Result<void> take_rights(CommandCapabilities capabilities) {
  if (capabilities == CommandCapabilities::daemon) return pass_on_capabilities();
  empty_bounding_set();
  return drop_all_capabilities();
}

}  // namespace nswarden
