// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/writer.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

bool is_container_id(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_digit);
}

/// "ID", "libpod-ID", "docker-ID.scope"; empty when it names no container.
std::string_view container_of(std::string_view component) {
  constexpr std::array<std::string_view, 4> runtimes{"docker-", "cri-containerd-", "crio-", "libpod-"};
  constexpr std::string_view scope = ".scope";
  if (component.ends_with(scope)) component.remove_suffix(scope.size());
  for (const std::string_view runtime : runtimes) {
    if (!component.starts_with(runtime)) continue;
    component.remove_prefix(runtime.size());
    break;
  }
  return is_container_id(component) ? component : std::string_view();
}

bool ends_in_one_of(std::string_view component, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [component](std::string_view suffix) {
    return component.size() > suffix.size() && component.ends_with(suffix);
  });
}

}  // namespace

CgroupNames names_of_cgroup(std::string_view path) {
  CgroupNames names;
  std::string_view unit;
  std::string_view slice;
  while (!path.empty()) {
    std::string_view component = take_until(path, '/');
    // systemd prefixes "_" to a name that the kernel could take for a file of its own (cg_escape).
    if (component.starts_with('_')) component.remove_prefix(1);
    if (const std::string_view container = container_of(component); !container.empty()) names.container = container;
    if (ends_in_one_of(component, {".service", ".scope", ".socket", ".mount", ".swap"})) unit = component;
    if (ends_in_one_of(component, {".slice"})) slice = component;
  }
  names.unit = unit.empty() ? slice : unit;
  return names;
}

}  // namespace nswarden
