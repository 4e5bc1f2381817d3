// SPDX-License-Identifier: Apache-2.0
// Policies as their author wrote them, with the place of each word: the room config reads them from text, and PolicySet compiles
// them. Plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/key_pattern.hpp>
#include <nswarden/policy/netns_name.hpp>
#include "policy/pattern.hpp"
#include "policy/want.hpp"

namespace nswarden {

enum class Mode : std::uint8_t { enforce, audit };

struct Setting {
  KeyPattern key;
  Want want;
  Position where;
  std::optional<Mode> mode{};  ///< of its own; none: the policy's
  bool optional = false;       ///< nothing is missing where the key does not exist
  std::string note{};          ///< carried into reports
};

/// A file or folder that the configuration names: absolute, or relative to the folder of the file that names it.
struct NamedPath {
  std::string path;
  Position where;
};

struct Observation {
  KeyPattern key;
  Position where;
};

/// Longest command in bytes; the kernel takes 128 KiB as one argument.
inline constexpr std::size_t max_command_size = std::size_t{64} << 10;

/// Which capabilities(7) commands run with. They run as the daemon's user either way.
enum class CommandCapabilities : std::uint8_t {
  none,    ///< none at all, and no way to gain any
  daemon,  ///< those that the daemon has
};

/// As the configuration has it.
constexpr std::string_view to_string(CommandCapabilities capabilities) {
  return capabilities == CommandCapabilities::daemon ? "daemon" : "none";
}

struct PolicyCommands {
  struct OnEvent {
    std::string event;       ///< as in inotify_events.hpp
    std::uint32_t bits = 0;  ///< any event that carries one of them
    std::vector<std::string> commands;

    friend bool operator==(const OnEvent&, const OnEvent&) = default;
  };
  CommandCapabilities capabilities = CommandCapabilities::none;
  std::vector<std::string> startup;  ///< for each netns that is there when the daemon starts
  std::vector<OnEvent> events;       ///< in file order; a name may come twice

  [[nodiscard]] bool empty() const { return startup.empty() && events.empty(); }
  friend bool operator==(const PolicyCommands&, const PolicyCommands&) = default;
};

struct PolicyConfig {
  std::string name;
  std::vector<Pattern> netns;       ///< matched at the start of a netns name; one is enough; none: names do not count
  std::vector<Pattern> exclude;     ///< names of netns that it does not govern all the same
  bool host = false;                ///< governs the host's own netns (besides)
  bool processes = false;           ///< `discover: processes`: netns without a name match too, as net:[INODE]
  std::vector<Pattern> interfaces;  ///< matched at the start: those that a glob in the place of an interface takes; none: all
  Mode mode = Mode::enforce;
  bool allow_global = false;            ///< keys with one value for the whole host
  bool restore = false;                 ///< what it changed returns when the policy goes away
  std::vector<Setting> sysctls;         ///< those of sysctl_files first, then in file order; no key twice
  std::vector<KeyPattern> exclusions;   ///< keys that its globs leave alone
  std::vector<Observation> observe;     ///< keys whose values are only exported
  std::vector<NamedPath> sysctl_files;  ///< already read into `sysctls` by load_config()
  Position where;
  Position interfaces_where{};  ///< of the field `interfaces`
  PolicyCommands commands{};

  /// Whether it may name keys that other netns than the host's own lack, cannot write, or share with all.
  [[nodiscard]] bool takes_host_keys() const { return allow_global || (host && netns.empty()); }
};

/// Bounds of what a file or a flag may ask for.
inline constexpr std::chrono::milliseconds min_reconcile_interval{100};
inline constexpr std::chrono::milliseconds min_command_timeout{100};
inline constexpr std::uint32_t min_repair_budget = 1;
inline constexpr std::uint32_t max_repair_budget = 1000;
inline constexpr std::chrono::milliseconds min_repair_window{1000};

struct Config {
  /// The older form is that of netns-events: rules of commands, which want no sysctls.
  enum class Form : std::uint8_t { native, older };
  Form form = Form::native;
  std::vector<std::string> files;       ///< that it was read from, as they were named; the first is the one that was asked for
  std::vector<NamedPath> include;       ///< already read into `policies` by load_config()
  Links links = Links::refuse;          ///< names in the netns directories that are symbolic links
  std::vector<std::string> netns_dirs;  ///< absolute, no trailing slash; empty when the file does not say
  std::optional<std::chrono::milliseconds> reconcile_interval;
  std::optional<std::chrono::milliseconds> command_timeout;
  std::optional<std::uint32_t> repair_budget;  ///< repairs of one setting that are free in repair_window (damping.hpp)
  std::optional<std::chrono::milliseconds> repair_window;
  std::vector<PolicyConfig> policies;  ///< in file order
};

}  // namespace nswarden
