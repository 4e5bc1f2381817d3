// SPDX-License-Identifier: Apache-2.0
// Policies as written, with the position of each word. The room config parses them, and PolicySet compiles them. Plain data.
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
  Position position;
  std::optional<Mode> mode{};  ///< empty: the mode of the policy
  bool optional = false;       ///< the key may be absent
  std::string note{};          ///< copied into reports
};

/// A file or folder named by the configuration: absolute, or relative to the folder of the naming file.
struct NamedPath {
  std::string path;
  Position position;
};

struct Observation {
  KeyPattern key;
  Position position;
};

/// Longest command in bytes; the kernel takes 128 KiB as one argument.
inline constexpr std::size_t max_command_size = std::size_t{64} << 10;

/// Capabilities(7) that commands run with. They always run as the daemon's user.
enum class CommandCapabilities : std::uint8_t {
  none,    ///< without any, and unable to gain any
  daemon,  ///< the daemon's
};

/// As written in the configuration.
constexpr std::string_view to_string(CommandCapabilities capabilities) {
  return capabilities == CommandCapabilities::daemon ? "daemon" : "none";
}

struct PolicyCommands {
  struct OnEvent {
    std::string event;       ///< as in inotify_events.hpp
    std::uint32_t bits = 0;  ///< matches an event with any of these bits
    std::vector<std::string> commands;

    friend bool operator==(const OnEvent&, const OnEvent&) = default;
  };
  CommandCapabilities capabilities = CommandCapabilities::none;
  std::vector<std::string> startup;  ///< run for each netns that exists when the daemon starts
  std::vector<OnEvent> events;       ///< in file order; a name may repeat

  [[nodiscard]] bool empty() const { return startup.empty() && events.empty(); }
  friend bool operator==(const PolicyCommands&, const PolicyCommands&) = default;
};

struct PolicyConfig {
  std::string name;
  std::vector<Pattern> netns;       ///< matched at the start of a netns name, any of them; empty: names are ignored
  std::vector<Pattern> exclude;     ///< netns names that the policy skips
  bool host = false;                ///< also governs the host's own netns
  bool processes = false;           ///< `discover: processes`: also matches netns without a name, as net:[INODE]
  std::vector<Pattern> interfaces;  ///< matched at the start; limits globs in the interface position; empty: all
  Mode mode = Mode::enforce;
  bool allow_global = false;            ///< permits keys with one value for the whole host
  bool restore = false;                 ///< restores changed values when the policy is removed
  std::vector<Setting> sysctls;         ///< settings of sysctl_files first, then file order; keys are unique
  std::vector<KeyPattern> exclusions;   ///< keys that its globs skip
  std::vector<Observation> observe;     ///< keys that are only exported
  std::vector<NamedPath> sysctl_files;  ///< already merged into `sysctls` by load_config()
  Position position;
  Position interfaces_position{};  ///< position of the field `interfaces`
  PolicyCommands commands{};

  /// Whether it may name keys that are absent, read-only or shared in netns other than the host's.
  [[nodiscard]] bool allows_host_keys() const { return allow_global || (host && netns.empty()); }
};

/// Bounds for configuration fields and flags.
inline constexpr std::chrono::milliseconds min_reconcile_interval{100};
inline constexpr std::chrono::milliseconds min_command_timeout{100};
inline constexpr std::uint32_t min_repair_budget = 1;
inline constexpr std::uint32_t max_repair_budget = 1000;
inline constexpr std::chrono::milliseconds min_repair_window{1000};

struct Config {
  /// The older form is that of netns-events: rules with commands and without sysctls.
  enum class Form : std::uint8_t { native, older };
  Form form = Form::native;
  std::vector<std::string> files;       ///< files of the configuration, as named; the main file is first
  std::vector<NamedPath> include;       ///< already merged into `policies` by load_config()
  Links links = Links::refuse;          ///< policy for symbolic links in the netns directories
  std::vector<std::string> netns_dirs;  ///< absolute, no trailing slash; empty when not configured
  std::optional<std::chrono::milliseconds> reconcile_interval;
  std::optional<std::chrono::milliseconds> command_timeout;
  std::optional<std::uint32_t> repair_budget;  ///< free repairs of one setting within repair_window (damping.hpp)
  std::optional<std::chrono::milliseconds> repair_window;
  std::vector<PolicyConfig> policies;  ///< in file order
};

}  // namespace nswarden
