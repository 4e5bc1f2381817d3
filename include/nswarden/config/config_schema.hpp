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
    {"version", "version", "Version of this format: 1."},
    {"include", "paths",
     "Files, or folders whose *.yaml and *.yml are read in byte order; their policies come before those here."},
    {"netns_dirs", "directories", "Directories whose entries are names of netns; /run/netns when absent."},
    {"follow_links", "boolean", "Whether entries of these directories that are symbolic links count."},
    {"reconcile_interval", "duration", "How often everything is read again; at least 100ms."},
    {"command_timeout", "duration", "After this time a command is ended; at least 100ms."},
    {"repair_budget", "budget", "Repairs of one setting that are free within repair_window; more suspend it for a while."},
    {"repair_window", "duration", "The time that repair_budget is for; at least 1s."},
    {"mode", "mode", "Of all policies of this file that do not say: enforce (when absent) or audit."},
    {"policies", "policies", "Policies. Where two name one key, the later one owns it."},
}};

/// Fields of an included file.
inline constexpr std::array<Field, 4> included_fields{{top_fields[0], top_fields[1], top_fields[8], top_fields[9]}};

inline constexpr std::array<Field, 13> policy_fields{{
    {"name", "name", "Shown in metrics, logs and reports; names must differ."},
    {"netns", "patterns", "RE2, one or a list, matched at the start of the names of netns."},
    {"exclude", "patterns", "RE2, one or a list: names of netns that it does not govern all the same."},
    {"host", "boolean", "Whether it governs the host's own netns."},
    {"discover", "discover", "processes: netns that have no name but processes match too, as net:[INODE]."},
    {"interfaces", "patterns", "RE2, one or a list, matched at the start: the interfaces that globs stand for."},
    {"mode", "mode", "enforce or audit."},
    {"allow_global", "boolean", "Whether it may name keys that have one value for the whole host."},
    {"restore", "boolean", "Whether values that it changed return to what was found when it goes away."},
    {"sysctl_files", "paths", "Files in the format of sysctl.d(5), or folders whose *.conf are read in byte order."},
    {"observe", "keys", "Keys and globs whose values are exported, and that nothing is wanted of."},
    {"sysctls", "sysctls",
     "Keys and globs, each with what is wanted of it. A leading - makes a key optional; without a value, an exclusion."},
    {"commands", "commands", "Shell commands, with $NETNS in their environment."},
}};

inline constexpr std::array<Field, 3> command_fields{{
    {"capabilities", "capabilities",
     "Those that the commands run with: none (when absent), or daemon, which has the daemon's."},
    {"startup", "command_list", "Run for each netns that is there when the daemon starts."},
    {"events", "events", "Run when an inotify event names a netns; those of IN_CREATE once in the life of each netns."},
}};

/// Fields of a rule of the older form, which has no schema.
inline constexpr std::array<Field, 3> rule_fields{{{"netns_regex"}, {"daemon_startup_actions"}, {"inotify_actions"}}};

/// The first ones are the conditions, in the order of Want::Kind. A setting has exactly one of them.
inline constexpr std::array<Field, 11> setting_fields{{
    {"value", "value", "The value itself."},
    {"min", "bound", "It is at least this number."},
    {"max", "bound", "It is at most this number."},
    {"between", "pair", "It is one of these two numbers, or between them."},
    {"one_of", "values", "It is one of these values."},
    {"not", "value", "It is any other value."},
    {"regex", "pattern", "RE2 that takes the whole value."},
    {"set", "value", "What enforcing writes where the condition does not hold."},
    {"optional", "boolean", "Whether nothing is missing where the key does not exist."},
    {"mode", "mode", "Of this setting."},
    {"note", "note", "Carried into reports."},
}};

inline constexpr std::span<const Field> want_fields = std::span(setting_fields).first<7>();
constexpr std::string_view field_of(Want::Kind kind) { return want_fields[static_cast<std::size_t>(kind)].name; }
static_assert(field_of(Want::Kind::equal) == "value" && field_of(Want::Kind::regex) == "regex");

/// A JSON Schema of the native form, for editors.
std::string config_schema();

}  // namespace nswarden
