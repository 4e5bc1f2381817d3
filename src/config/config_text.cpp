// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config_text.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_schema.hpp>

namespace nswarden {
namespace {

using Strings = std::vector<std::string>;

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view decimal = "0123456789";

bool is_one_of(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

/// Words that YAML 1.1 or 1.2 does not read as a string.
bool is_reserved(std::string_view text) {
  constexpr std::array<std::string_view, 9> words{"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  return std::find(words.begin(), words.end(), ascii_lower(text)) != words.end();
}

bool needs_no_quotes(std::string_view text) {
  // Keys of sysctl.d(5) may start with a minus.
  const std::string_view start = text.substr(text.starts_with('-') ? 1 : 0);
  if (start.empty() || !(is_one_of(letters, start[0]) || is_one_of("_/^", start[0]))) return false;
  const auto is_harmless = [](char c) { return is_one_of(letters, c) || is_one_of(decimal, c) || is_one_of("_./-^$*+", c); };
  return std::all_of(start.begin(), start.end(), is_harmless) && !is_reserved(text);
}

bool is_decimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of(decimal) != std::string_view::npos) return false;
  return text.size() == 1 || text[0] != '0';
}

std::size_t length_of_character(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

/// The code point of a UTF-8 character.
std::uint32_t code_point(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  std::uint32_t code = lead & (0x7FU >> character.size());
  for (const char c : character.substr(1)) code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
  return code;
}

std::string escaped(std::string_view character) {
  switch (character[0]) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    default: break;
  }
  // printable() removes characters that are invisible or reorder text, except a byte order mark.
  const std::uint32_t code = code_point(character);
  if (code != 0xFEFF && printable(character) == character) return std::string(character);
  if (code <= 0xFF) return fmt::format("\\x{:02x}", code);
  return code <= 0xFFFF ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = std::min(length_of_character(text[0]), text.size());
    out += escaped(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out + '"';
}

/// Plain when every YAML reader returns this text, otherwise double-quoted on one line. `text` is UTF-8.
std::string yaml_text(std::string_view text) { return needs_no_quotes(text) ? std::string(text) : quoted(text); }

/// Like yaml_text(), for the value of a sysctl: decimal numbers stay unquoted.
std::string yaml_value(std::string_view value) { return is_decimal(value) ? std::string(value) : yaml_text(value); }

/// `text` is a member or function that returns the text of an item.
template <class T, class Text>
Strings texts_of(const std::vector<T>& all, Text text) {
  Strings texts;
  for (const T& each : all) texts.push_back(std::invoke(text, each));
  return texts;
}

Strings paths_of(const std::vector<NamedPath>& named) { return texts_of(named, &NamedPath::path); }

std::string list_text(std::string_view indent, std::string_view field, const Strings& texts) {
  if (texts.empty()) return fmt::format("{}{}: []\n", indent, yaml_text(field));
  std::string out = fmt::format("{}{}:\n", indent, yaml_text(field));
  for (const std::string& text : texts) out += fmt::format("{}  - {}\n", indent, yaml_text(text));
  return out;
}

/// A list on one line.
std::string values_text(std::span<const std::string> values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + yaml_value(value);
  return fmt::format("[{}]", out);
}

std::string want_text(const Want& want) {
  const auto operands = want.operands();
  const bool is_list = want.kind() == Want::Kind::between || want.kind() == Want::Kind::one_of;
  const auto one = want.kind() == Want::Kind::regex ? yaml_text : yaml_value;
  return fmt::format("{}: {}", field_of(want.kind()), is_list ? values_text(operands) : one(operands[0]));
}

std::string setting_text(const Setting& setting) {
  const bool is_value = setting.want.kind() == Want::Kind::equal;
  const std::string name = setting.key.name();
  if (is_value && !setting.mode && setting.note.empty()) {
    const std::string key = setting.optional ? "-" + name : name;
    return fmt::format("      {}: {}\n", yaml_text(key), yaml_value(setting.want.operands()[0]));
  }
  std::string out = fmt::format("      {}:\n        {}\n", yaml_text(name), want_text(setting.want));
  if (!is_value && setting.want.set()) out += fmt::format("        set: {}\n", yaml_value(*setting.want.set()));
  if (setting.optional) out += "        optional: true\n";
  if (setting.mode) out += fmt::format("        mode: {}\n", *setting.mode == Mode::audit ? "audit" : "enforce");
  if (!setting.note.empty()) out += fmt::format("        note: {}\n", yaml_text(setting.note));
  return out;
}

std::string sysctls_text(const PolicyConfig& policy) {
  if (policy.sysctls.empty() && policy.exclusions.empty()) return {};
  std::string out = "    sysctls:\n";
  for (const Setting& setting : policy.sysctls) out += setting_text(setting);
  for (const KeyPattern& key : policy.exclusions) out += fmt::format("      {}:\n", yaml_text("-" + key.name()));
  return out;
}

std::string commands_text(const PolicyCommands& commands) {
  const bool has_daemons = commands.capabilities == CommandCapabilities::daemon;
  if (commands.empty() && !has_daemons) return {};
  std::string out = "    commands:\n";
  if (has_daemons) out += "      capabilities: daemon\n";
  if (!commands.startup.empty()) out += list_text("      ", "startup", commands.startup);
  if (!commands.events.empty()) out += "      events:\n";
  for (const PolicyCommands::OnEvent& on : commands.events) out += list_text("        ", on.event, on.commands);
  return out;
}

/// `FIELD: TEXT` for one text, a list for several, empty for an empty list.
std::string one_or_list(std::string_view indent, std::string_view field, const Strings& texts) {
  if (texts.empty()) return {};
  if (texts.size() == 1) return fmt::format("{}{}: {}\n", indent, field, yaml_text(texts[0]));
  return list_text(indent, field, texts);
}

bool same_setting(const Setting& a, const Setting& b) {
  return a.key == b.key && a.want == b.want && a.mode == b.mode && a.optional == b.optional && a.note == b.note;
}

bool same_observation(const Observation& a, const Observation& b) { return a.key == b.key; }

bool same_policy(const PolicyConfig& a, const PolicyConfig& b) {
  const bool same_netns = a.name == b.name && a.netns == b.netns && a.exclude == b.exclude && a.host == b.host &&
                          a.processes == b.processes && a.interfaces == b.interfaces;
  const bool same_way = a.mode == b.mode && a.allow_global == b.allow_global && a.restore == b.restore;
  return same_netns && same_way && a.exclusions == b.exclusions && paths_of(a.sysctl_files) == paths_of(b.sysctl_files) &&
         std::equal(a.sysctls.begin(), a.sysctls.end(), b.sysctls.begin(), b.sysctls.end(), same_setting) &&
         std::equal(a.observe.begin(), a.observe.end(), b.observe.begin(), b.observe.end(), same_observation) &&
         a.commands == b.commands;
}

/// `noun` is the noun for an item with a key.
template <class Keyed>
std::optional<std::string> dropped_keys(const std::vector<Keyed>& before, const std::vector<Keyed>& after,
                                        std::string_view noun, const PolicyConfig& policy, std::size_t max_items) {
  std::size_t count = 0;
  std::string names;
  for (const Keyed& keyed : before) {
    const bool stays = std::any_of(after.begin(), after.end(), [&](const Keyed& other) { return other.key == keyed.key; });
    if (stays || ++count > max_items) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", printable(keyed.key.name()));
  }
  if (count == 0) return std::nullopt;
  return fmt::format("{} {}{} of policy {} ({}{})", count, noun, count == 1 ? "" : "s", policy.name, names,
                     count > max_items ? ", ..." : "");
}

}  // namespace

std::string policy_text(const PolicyConfig& policy) {
  std::string out = fmt::format("  - name: {}\n", yaml_text(policy.name));
  out += one_or_list("    ", "netns", texts_of(policy.netns, &Pattern::text));
  out += one_or_list("    ", "exclude", texts_of(policy.exclude, &Pattern::text));
  if (policy.host) out += "    host: true\n";
  if (policy.processes) out += "    discover: processes\n";
  out += one_or_list("    ", "interfaces", texts_of(policy.interfaces, &Pattern::text));
  if (policy.mode == Mode::audit) out += "    mode: audit\n";
  if (policy.allow_global) out += "    allow_global: true\n";
  if (policy.restore) out += "    restore: true\n";
  out += one_or_list("    ", "sysctl_files", paths_of(policy.sysctl_files));
  const Strings observed = texts_of(policy.observe, [](const Observation& observation) { return observation.key.name(); });
  if (!observed.empty()) out += list_text("    ", "observe", observed);
  const std::string content = sysctls_text(policy) + commands_text(policy.commands);
  // A policy without settings and commands only counts matching netns.
  if (content.empty() && policy.sysctl_files.empty() && observed.empty()) return out + "    commands: {}\n";
  return out + content;
}

std::string print_config(const Config& config) {
  std::string out = "version: 1\n";
  out += one_or_list("", "include", paths_of(config.include));
  if (!config.netns_dirs.empty()) out += list_text("", "netns_dirs", config.netns_dirs);
  if (config.links == Links::follow) out += "follow_links: true\n";
  const auto print_duration = [&out](std::string_view field, const std::optional<std::chrono::milliseconds>& duration) {
    if (duration) out += fmt::format("{}: {}\n", field, format_duration(*duration));
  };
  print_duration("reconcile_interval", config.reconcile_interval);
  print_duration("command_timeout", config.command_timeout);
  if (config.repair_budget) out += fmt::format("repair_budget: {}\n", *config.repair_budget);
  print_duration("repair_window", config.repair_window);
  out += config.policies.empty() ? "policies: []\n" : "policies:\n";
  for (const PolicyConfig& policy : config.policies) out += policy_text(policy);
  return out;
}

bool same_config(const Config& a, const Config& b) {
  const bool same_names = a.netns_dirs == b.netns_dirs && a.links == b.links;
  const bool same_times = a.reconcile_interval == b.reconcile_interval && a.command_timeout == b.command_timeout &&
                          a.repair_budget == b.repair_budget && a.repair_window == b.repair_window;
  return a.form == b.form && same_names && same_times && paths_of(a.include) == paths_of(b.include) &&
         std::equal(a.policies.begin(), a.policies.end(), b.policies.begin(), b.policies.end(), same_policy);
}

std::string dropped_by(const Config& before, const Config& after, std::size_t max_items) {
  std::vector<std::string> dropped;
  for (const PolicyConfig& policy : before.policies) {
    const auto same = std::find_if(after.policies.begin(), after.policies.end(),
                                   [&](const PolicyConfig& other) { return other.name == policy.name; });
    if (same == after.policies.end()) {
      dropped.push_back("policy " + policy.name);
      continue;
    }
    for (const auto& keys : {dropped_keys(policy.sysctls, same->sysctls, "setting", policy, max_items),
                             dropped_keys(policy.observe, same->observe, "observed key", policy, max_items)}) {
      if (keys) dropped.push_back(*keys);
    }
    if (!policy.commands.empty() && same->commands.empty()) dropped.push_back("commands of policy " + policy.name);
  }
  std::string line = fmt::format("{}", fmt::join(std::span(dropped).first(std::min(dropped.size(), max_items)), "; "));
  if (dropped.size() > max_items) line += fmt::format("; and {} more", dropped.size() - max_items);
  return line;
}

}  // namespace nswarden
