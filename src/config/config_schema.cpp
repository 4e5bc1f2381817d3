// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config_schema.hpp>

#include <fmt/format.h>

#include <nswarden/policy/inotify_events.hpp>

namespace nswarden {
namespace {

/// The shape of a value. YAML does not type `1` and `true` as strings, but the parser accepts any scalar as a text.
struct Shape {
  std::string_view name;
  std::string_view schema;
};

constexpr std::array<Shape, 20> shapes{{
    {"version", R"({"enum": [1, "1"]})"},
    {"boolean", R"({"type": "boolean"})"},
    {"mode", R"({"enum": ["enforce", "audit"]})"},
    {"discover", R"({"enum": ["processes"]})"},
    {"duration", R"({"type": "string", "pattern": "^(0|[1-9][0-9]*)(ms|s|m|h)$"})"},
    {"name",
     R"({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 128, "pattern": "^[^\\\\\\u0000-\\u001f]+$"})"},
    {"note",
     R"({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 512, "pattern": "^[^\\u0000-\\u001f]+$"})"},
    {"pattern", R"({"type": ["string", "number", "boolean"], "minLength": 1, "pattern": "^[^\\u0000-\\u001f]+$"})"},
    {"patterns", R"({"oneOf": [{"$ref": "#/definitions/pattern"}, )"
                 R"({"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/pattern"}}]})"},
    {"path", R"({"type": ["string", "number", "boolean"], "minLength": 1, "pattern": "^[^\\u0000-\\u001f]+$"})"},
    {"paths", R"({"oneOf": [{"$ref": "#/definitions/path"}, )"
              R"({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"$ref": "#/definitions/path"}}]})"},
    {"directories", R"({"type": "array", "minItems": 1, "uniqueItems": true, )"
                    R"("items": {"type": "string", "pattern": "^/[^\\u0000-\\u001f]*$"}})"},
    {"keys",
     R"({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "pattern": "^net[./]\\S+$"}})"},
    {"value", R"({"type": ["string", "number"], "pattern": "\\S"})"},
    {"bound", R"({"type": ["string", "number"], "pattern": "^[ \\t]*-?[0-9]+([ \\t]+-?[0-9]+)*[ \\t]*$"})"},
    {"values", R"({"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/value"}})"},
    {"pair", R"({"type": "array", "minItems": 2, "maxItems": 2, "items": {"$ref": "#/definitions/bound"}})"},
    {"command_list", R"({"type": "array", "items": {"type": ["string", "number", "boolean"], "pattern": "\\S"}})"},
    {"capabilities", R"({"enum": ["none", "daemon"]})"},
    {"policies", R"({"type": "array", "items": {"$ref": "#/definitions/policy"}})"},
}};

std::string property(const Field& field) {
  return fmt::format(R"("{}": {{"$ref": "#/definitions/{}", "description": "{}"}})", field.name, field.shape,
                     field.description);
}

/// A mapping with exactly these fields. `rest` has further members, each with a leading comma.
std::string mapping_of(std::span<const Field> fields, std::string_view indent, std::string_view rest) {
  std::string properties;
  for (const Field& field : fields) {
    properties += fmt::format("{}\n{}  {}", properties.empty() ? "" : ",", indent, property(field));
  }
  return fmt::format(R"("type": "object", "additionalProperties": false{}, "properties": {{{}
{}}})",
                     rest, properties, indent);
}

std::string required(std::string_view field) { return fmt::format(R"({{"required": ["{}"]}})", field); }

/// Requires one of several fields.
std::string required_one(std::string_view keyword, std::span<const std::string_view> fields) {
  std::string alternatives;
  for (const std::string_view field : fields) alternatives += (alternatives.empty() ? "" : ", ") + required(field);
  return fmt::format(R"({{"{}": [{}]}})", keyword, alternatives);
}

std::string policy_schema() {
  constexpr std::array<std::string_view, 4> content_fields{"sysctls", "sysctl_files", "observe", "commands"};
  const std::string rest =
      fmt::format(R"(, "required": ["name"], "allOf": [{}, {}, {}])", required_one("anyOf", content_fields),
                  R"({"anyOf": [{"required": ["netns"]}, {"required": ["host"], "properties": {"host": {"enum": [true]}}}]})",
                  R"({"anyOf": [{"required": ["netns"]}, {"not": {"required": ["discover"]}}]})");
  return fmt::format("{{{}}}", mapping_of(policy_fields, "    ", rest));
}

std::string setting_schema() {
  std::vector<std::string_view> wants;
  for (const Field& field : want_fields) wants.push_back(field.name);
  const std::string rest =
      fmt::format(R"(, "allOf": [{}, {}, {}])", required_one("oneOf", wants), R"({"not": {"required": ["value", "set"]}})",
                  R"({"anyOf": [{"required": ["value"]}, {"required": ["set"]}, )"
                  R"({"not": {"required": ["mode"], "properties": {"mode": {"enum": ["enforce"]}}}}]})");
  return fmt::format(R"({{"oneOf": [{{"$ref": "#/definitions/value"}}, {{{}}}]}})", mapping_of(setting_fields, "    ", rest));
}

constexpr std::string_view sysctls_schema =
    R"({"type": "object", "minProperties": 1, "additionalProperties": false, "patternProperties": {
      "^net[./]\\S+$": {"$ref": "#/definitions/setting"},
      "^-net[./]\\S+$": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/setting"}]}
    }})";

std::string events_schema() {
  std::string properties;
  for (const InotifyEvent& event : inotify_events()) {
    properties += fmt::format(R"({}
      "{}": {{"$ref": "#/definitions/command_list"}})",
                              properties.empty() ? "" : ",", event.name);
  }
  return fmt::format(R"({{"type": "object", "additionalProperties": false, "properties": {{{}
    }}}})",
                     properties);
}

std::string budget_schema() {
  return fmt::format(
      R"({{"oneOf": [{{"type": "integer", "minimum": {}, "maximum": {}}}, {{"type": "string", "pattern": "{}"}}]}})",
      min_repair_budget, max_repair_budget, "^([1-9][0-9]{0,2}|1000)$");
}

}  // namespace

std::string config_schema() {
  std::string out = "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n";
  out += "  \"title\": \"nswarden configuration\",\n";
  out += "  \"description\": \"The native form. An included file may have only version, include, mode and policies.\",\n";
  out += fmt::format("  {},\n", mapping_of(top_fields, "  ", R"(, "required": ["version", "policies"])"));
  out += "  \"definitions\": {\n";
  for (const Shape& shape : shapes) out += fmt::format("    \"{}\": {},\n", shape.name, shape.schema);
  out += fmt::format("    \"budget\": {},\n", budget_schema());
  out += fmt::format("    \"policy\": {},\n", policy_schema());
  out += fmt::format("    \"sysctls\": {},\n", sysctls_schema);
  out += fmt::format("    \"setting\": {},\n", setting_schema());
  out += fmt::format("    \"commands\": {{{}}},\n", mapping_of(command_fields, "    ", ""));
  out += fmt::format("    \"events\": {}\n  }}\n}}\n", events_schema());
  return out;
}

}  // namespace nswarden
