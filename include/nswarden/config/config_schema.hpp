// SPDX-License-Identifier: Apache-2.0
// Every configuration field with its description and the shape of its value. The parser refuses unknown fields by this table,
// and `config schema` is generated from it, so the two cannot diverge. The schema is less strict than parse_config(), which
// also checks keys, patterns and values. Pure, any thread.
#pragma once

#include <array>
#include <span>
#include <string>

#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {

inline constexpr std::array<Field, 10> top_fields{{
    {"version", "version", "Format version: 1."},
    {"include", "paths",
     "Files, or folders whose *.yaml and *.yml are read in byte order; their policies precede those of this file."},
    {"netns_dirs", "directories", "Directories of netns names; default /run/netns."},
    {"follow_links", "boolean", "Whether symbolic links in these directories count as netns names."},
    {"reconcile_interval", "duration", "Time between sweeps, at least 100ms."},
    {"command_timeout", "duration", "Time limit of a command, at least 100ms."},
    {"repair_budget", "budget", "Number of repairs of one setting within repair_window before it is suspended."},
    {"repair_window", "duration", "Time window of repair_budget, at least 1s."},
    {"mode", "mode", "Mode of the policies of this file without their own mode: enforce (default) or audit."},
    {"policies", "policies", "Policies. For each key of a netns, an exact key beats a glob; otherwise the later policy wins."},
}};

/// Fields of an included file.
inline constexpr std::array<Field, 4> included_fields{{top_fields[0], top_fields[1], top_fields[8], top_fields[9]}};

inline constexpr std::array<Field, 13> policy_fields{{
    {"name", "name", "Unique name, shown in metrics, logs and reports."},
    {"netns", "patterns", "RE2 pattern, or a list of them, matched at the start of netns names."},
    {"exclude", "patterns", "RE2 pattern, or a list of them: matching netns that the policy does not govern."},
    {"host", "boolean", "Whether the policy governs the host's own netns."},
    {"discover", "discover", "processes: also govern netns without a name but with processes, as net:[INODE]."},
    {"interfaces", "patterns", "RE2 pattern, or a list of them, matched at the start: the interfaces that globs match."},
    {"mode", "mode", "Mode of this policy: enforce or audit."},
    {"allow_global", "boolean", "Whether the policy may set keys that have one value for the whole host."},
    {"restore", "boolean", "Whether overwritten values are restored when the policy is removed."},
    {"sysctl_files", "paths", "Files in the format of sysctl.d(5), or folders whose *.conf are read in byte order."},
    {"observe", "keys", "Keys and globs whose values are exported without a wanted value."},
    {"sysctls", "sysctls",
     "Keys and globs with their wanted values. A leading - makes a key optional or, without a value, excludes it from globs."},
    {"commands", "commands", "Shell commands, run with $NETNS in their environment."},
}};

inline constexpr std::array<Field, 3> command_fields{{
    {"capabilities", "capabilities", "Capabilities of the commands: none (default), or daemon for those of the daemon."},
    {"startup", "command_list", "Commands run at startup, for each existing netns."},
    {"events", "events", "Commands run on an inotify event of a netns; those of IN_CREATE once in the life of each netns."},
}};

/// Fields of a rule of the older form, which has no schema.
inline constexpr std::array<Field, 3> rule_fields{{{"netns_regex"}, {"daemon_startup_actions"}, {"inotify_actions"}}};

/// The first ones are the conditions, in the order of Want::Kind. A setting has exactly one of them.
inline constexpr std::array<Field, 11> setting_fields{{
    {"value", "value", "Wanted value."},
    {"min", "bound", "Minimum."},
    {"max", "bound", "Maximum."},
    {"between", "pair", "Minimum and maximum, both allowed."},
    {"one_of", "values", "Allowed values."},
    {"not", "value", "Value that is not allowed."},
    {"regex", "pattern", "RE2 pattern that matches the whole value."},
    {"set", "value", "Value written when the condition does not hold."},
    {"optional", "boolean", "Whether the setting is compliant if the key does not exist."},
    {"mode", "mode", "Mode of this setting: enforce or audit."},
    {"note", "note", "Text for reports."},
}};

inline constexpr std::span<const Field> want_fields = std::span(setting_fields).first<7>();
constexpr std::string_view field_of(Want::Kind kind) { return want_fields[static_cast<std::size_t>(kind)].name; }
static_assert(field_of(Want::Kind::equal) == "value" && field_of(Want::Kind::regex) == "regex");

/// A JSON Schema of the native form, for editors.
std::string config_schema();

}  // namespace nswarden
