// SPDX-License-Identifier: Apache-2.0
#include "config/policy_text.hpp"

#include <fmt/format.h>

#include "config/yaml_text.hpp"

namespace nswarden {
namespace {

using Strings = std::vector<std::string>;

Strings texts_of(const std::vector<Pattern>& patterns) {
  Strings texts;
  for (const Pattern& pattern : patterns) texts.push_back(pattern.text());
  return texts;
}

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
  switch (want.kind()) {
    case Want::Kind::equal: return fmt::format("value: {}", yaml_value(operands[0]));
    case Want::Kind::min: return fmt::format("min: {}", yaml_value(operands[0]));
    case Want::Kind::max: return fmt::format("max: {}", yaml_value(operands[0]));
    case Want::Kind::between: return fmt::format("between: {}", values_text(operands));
    case Want::Kind::one_of: return fmt::format("one_of: {}", values_text(operands));
    case Want::Kind::unequal: return fmt::format("not: {}", yaml_value(operands[0]));
    case Want::Kind::regex: break;
  }
  return fmt::format("regex: {}", yaml_text(operands[0]));
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

}  // namespace

std::string one_or_list(std::string_view indent, std::string_view field, const Strings& texts) {
  if (texts.empty()) return {};
  if (texts.size() == 1) return fmt::format("{}{}: {}\n", indent, field, yaml_text(texts[0]));
  return list_text(indent, field, texts);
}

std::string policy_text(const PolicyConfig& policy) {
  std::string out = fmt::format("  - name: {}\n", yaml_text(policy.name));
  out += one_or_list("    ", "netns", texts_of(policy.netns));
  out += one_or_list("    ", "exclude", texts_of(policy.exclude));
  if (policy.host) out += "    host: true\n";
  if (policy.processes) out += "    discover: processes\n";
  out += one_or_list("    ", "interfaces", texts_of(policy.interfaces));
  if (policy.mode == Mode::audit) out += "    mode: audit\n";
  if (policy.allow_global) out += "    allow_global: true\n";
  if (policy.restore) out += "    restore: true\n";
  Strings files;
  for (const NamedPath& file : policy.sysctl_files) files.push_back(file.path);
  out += one_or_list("    ", "sysctl_files", files);
  Strings observed;
  for (const Observation& observation : policy.observe) observed.push_back(observation.key.name());
  if (!observed.empty()) out += list_text("    ", "observe", observed);
  const std::string wishes = sysctls_text(policy) + commands_text(policy.commands);
  // Such a policy only counts the netns that it matches.
  if (wishes.empty() && files.empty() && observed.empty()) return out + "    commands: {}\n";
  return out + wishes;
}

}  // namespace nswarden
