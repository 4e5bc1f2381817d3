// SPDX-License-Identifier: Apache-2.0
// The schema has exactly the fields of the parser. tests/e2e/schema_test.py checks that both accept the same files.
#include <nswarden/config/config_schema.hpp>

#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <nswarden/policy/inotify_events.hpp>

#include <nswarden/config/config.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include "catch.hpp"

using namespace nswarden;

namespace {

using Names = std::set<std::string>;

/// JSON is YAML.
YamlNode schema() {
  YamlTree tree = parse_yaml(config_schema());
  for (const Problem& problem : tree.problems) UNSCOPED_INFO(format_problem("schema", problem));
  REQUIRE(tree.problems.empty());
  return *std::move(tree.root);
}

const YamlNode* find(const YamlNode& node, std::string_view key) {
  for (const YamlNode& child : node.children) {
    if (child.key == key) return &child;
  }
  return nullptr;
}

const YamlNode& at(const YamlNode& node, std::string_view key) {
  const YamlNode* found = find(node, key);
  CAPTURE(key);
  REQUIRE(found != nullptr);
  return *found;
}

Names names_of(const YamlNode& mapping) {
  Names names;
  for (const YamlNode& child : mapping.children) names.insert(child.key);
  return names;
}

Names names_of(std::span<const Field> fields) {
  Names names;
  for (const Field& field : fields) names.insert(std::string(field.name));
  return names;
}

void walk(const YamlNode& node, const std::function<void(const YamlNode&)>& visit) {
  visit(node);
  for (const YamlNode& child : node.children) walk(child, visit);
}

}  // namespace

TEST_CASE("each mapping of the schema has the fields of the parser's table, and none else") {
  const YamlNode root = schema();
  const YamlNode& definitions = at(root, "definitions");
  CHECK(names_of(at(root, "properties")) == names_of(top_fields));
  CHECK(names_of(at(at(definitions, "policy"), "properties")) == names_of(policy_fields));
  CHECK(names_of(at(at(definitions, "commands"), "properties")) == names_of(command_fields));
  CHECK(names_of(at(at(at(definitions, "setting"), "oneOf").children.at(1), "properties")) == names_of(setting_fields));
  Names events;
  for (const InotifyEvent& event : inotify_events()) events.insert(std::string(event.name));
  CHECK(names_of(at(at(definitions, "events"), "properties")) == events);
  // The checks above cover all closed mappings; other `properties` only constrain known fields.
  std::size_t closed = 0;
  walk(root, [&closed](const YamlNode& node) {
    if (find(node, "additionalProperties") != nullptr) ++closed;
  });
  CHECK(closed == 6);
}

TEST_CASE("whatever is a mapping refuses unknown fields") {
  const YamlNode root = schema();
  std::size_t mappings = 0;
  walk(root, [&mappings](const YamlNode& node) {
    const YamlNode* type = find(node, "type");
    if (type == nullptr || type->text != "object") return;
    ++mappings;
    CHECK(at(node, "additionalProperties").text == "false");
  });
  CHECK(mappings == 6);
}

TEST_CASE("each definition is referred to, and each reference has its definition") {
  const YamlNode root = schema();
  Names referred;
  walk(root, [&referred](const YamlNode& node) {
    if (node.key == "$ref") referred.insert(node.text);
  });
  Names defined;
  for (const std::string& name : names_of(at(root, "definitions"))) defined.insert("#/definitions/" + name);
  CHECK(referred == defined);
}

TEST_CASE("each field says what it is") {
  const YamlNode root = schema();
  for (const Field& field : top_fields) {
    CAPTURE(field.name);
    CHECK(at(at(at(root, "properties"), field.name), "description").text == field.description);
    CHECK_FALSE(field.description.empty());
  }
  CHECK(names_of(included_fields) == Names{"version", "include", "mode", "policies"});
}
