// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/yaml_fields.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

constexpr std::size_t longest_path = 4096;

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::null: return "nothing";
    case Kind::scalar: return "a single value";
    case Kind::list: return "a list";
    case Kind::mapping: return "a mapping";
    case Kind::refused: break;
  }
  return "something else";
}

bool is_kind(const YamlNode& node, Kind kind, std::string_view path, Problems& problems) {
  if (node.kind == kind) return true;
  if (node.kind != Kind::refused) {
    problems.push_back({node.position, fmt::format("{}: expected {}, found {}", path, to_string(kind), to_string(node.kind))});
  }
  return false;
}

YamlFields::YamlFields(const YamlNode& node, std::string name, std::span<const Field> known, Problems& problems)
    : node_(node), name_(std::move(name)), problems_(problems) {
  for (const YamlNode& entry : node.children) {
    const auto matches = [&entry](const Field& field) { return field.name == entry.key; };
    if (std::none_of(known.begin(), known.end(), matches)) refuse_unknown(entry, known);
  }
}

void YamlFields::refuse_unknown(const YamlNode& entry, std::span<const Field> known) {
  const std::string place = name_.empty() ? std::string{} : " in " + name_;
  std::vector<std::string_view> names;
  for (const Field& field : known) names.push_back(field.name);
  std::string message;
  if (const auto suggestion = nearest(entry.key, names)) {
    message = fmt::format("unknown field \"{}\"{}; did you mean \"{}\"?", excerpt(entry.key), place, *suggestion);
    suggested_.push_back(*suggestion);
  } else {
    message = fmt::format("unknown field \"{}\"{}; known fields: {}", excerpt(entry.key), place, fmt::join(names, ", "));
  }
  problems_.push_back({entry.key_position, std::move(message)});
  has_unknown_field_ = true;
}

std::nullopt_t YamlFields::refuse(const YamlNode& scalar, std::string_view path, std::string_view noun,
                                  std::string_view expected) const {
  problems_.push_back(
      {scalar.position, fmt::format("{}: invalid {} \"{}\", expected {}", path, noun, excerpt(scalar.text), expected)});
  return std::nullopt;
}

std::string YamlFields::path(std::string_view field) const {
  return name_.empty() ? std::string(field) : fmt::format("{}.{}", name_, field);
}

const YamlNode* YamlFields::find(std::string_view field) const {
  const auto& all = node_.children;
  const auto found = std::find_if(all.begin(), all.end(), [&](const YamlNode& entry) { return entry.key == field; });
  return found == all.end() ? nullptr : &*found;
}

const YamlNode* YamlFields::find_scalar(std::string_view field) const {
  const YamlNode* node = find(field);
  return node != nullptr && is_kind(*node, Kind::scalar, path(field), problems_) ? node : nullptr;
}

const YamlNode* YamlFields::require(std::string_view field, std::string_view remedy) const {
  const YamlNode* found = find(field);
  const bool is_misspelt = std::find(suggested_.begin(), suggested_.end(), field) != suggested_.end();
  if (found == nullptr && !is_misspelt) {
    const std::string place = name_.empty() ? "the file" : name_;
    problems_.push_back({node_.position, fmt::format("{} has no {}; {}", place, field, remedy)});
  }
  return found;
}

bool has_control(std::string_view text) { return std::any_of(text.begin(), text.end(), is_control); }

bool is_path(std::string_view text) { return !text.empty() && !has_control(text) && text.size() <= longest_path; }

bool read_boolean(const YamlFields& fields, std::string_view field) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return false;
  if (!node->quoted && node->text == "true") return true;
  if (!node->quoted && node->text == "false") return false;
  fields.refuse(*node, fields.path(field), "boolean", "true or false, without quotes");
  return false;
}

std::optional<Mode> read_mode(const YamlFields& fields) {
  return read_choice<Mode>(fields, "mode", {{"enforce", Mode::enforce}, {"audit", Mode::audit}}, "mode", "enforce or audit");
}

std::optional<std::chrono::milliseconds> read_duration(const YamlFields& fields, std::string_view field,
                                                       std::chrono::milliseconds shortest) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return std::nullopt;
  const auto duration = parse_duration(node->text);
  if (!duration) return fields.refuse(*node, fields.path(field), "duration", "for example 500ms, 10s, 5m or 1h");
  if (*duration >= shortest) return duration;
  fields.problems().push_back({node->position, fmt::format("{}: {} is too short; the minimum is {}", fields.path(field),
                                                           format_duration(*duration), format_duration(shortest))});
  return std::nullopt;
}

std::optional<std::uint32_t> read_number(const YamlFields& fields, std::string_view field, Bounds bounds) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return std::nullopt;
  const auto number = parse_number<std::uint32_t>(node->text);
  const bool is_plain = !node->text.starts_with('0') || node->text.size() == 1;
  if (number && is_plain && *number >= bounds.min && *number <= bounds.max) return number;
  return fields.refuse(*node, fields.path(field), "number", fmt::format("{} to {}", bounds.min, bounds.max));
}

std::vector<NamedScalar> read_one_or_list(const YamlNode& node, const std::string& path, Problems& problems) {
  if (node.kind == Kind::scalar) return {{&node, path}};
  if (node.kind != Kind::list) {
    if (node.kind != Kind::refused) {
      problems.push_back(
          {node.position, fmt::format("{}: expected a single value or a list, found {}", path, to_string(node.kind))});
    }
    return {};
  }
  if (node.children.empty()) problems.push_back({node.position, fmt::format("{} is an empty list; remove it", path)});
  std::vector<NamedScalar> scalars;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    std::string name = fmt::format("{}[{}]", path, i);
    if (is_kind(node.children[i], Kind::scalar, name, problems)) scalars.push_back({&node.children[i], std::move(name)});
  }
  return scalars;
}

bool is_pattern_text(const YamlNode& node, const std::string& path, Problems& problems) {
  if (!is_kind(node, Kind::scalar, path, problems)) return false;
  if (!has_control(node.text)) return true;
  // A block scalar ends with a newline, and such a pattern would silently never match.
  problems.push_back(
      {node.position, path + " contains a newline or a control character; write it on one line, or as an escape"});
  return false;
}

std::optional<Pattern> read_pattern(const YamlNode& node, const std::string& path, Problems& problems) {
  if (!is_pattern_text(node, path, problems)) return std::nullopt;
  const auto refuse = [&](std::string message) {
    problems.push_back({node.position, std::move(message)});
    return std::nullopt;
  };
  if (node.text.empty()) return refuse(fmt::format("{} is empty; write .* to match everything", path));
  auto compiled = Pattern::compile(node.text);
  if (const auto* problem = std::get_if<Problem>(&compiled)) return refuse(fmt::format("{}: {}", path, problem->message));
  return std::get<Pattern>(std::move(compiled));
}

std::vector<Pattern> read_patterns(const YamlFields& fields, std::string_view field) {
  const YamlNode* node = fields.find(field);
  if (node == nullptr) return {};
  std::vector<Pattern> patterns;
  for (const NamedScalar& scalar : read_one_or_list(*node, fields.path(field), fields.problems())) {
    auto pattern = read_pattern(*scalar.node, scalar.path, fields.problems());
    if (pattern) patterns.push_back(*std::move(pattern));
  }
  return patterns;
}

std::vector<NamedPath> read_paths(const YamlFields& fields, std::string_view field) {
  const YamlNode* node = fields.find(field);
  if (node == nullptr) return {};
  std::vector<NamedPath> paths;
  for (const NamedScalar& scalar : read_one_or_list(*node, fields.path(field), fields.problems())) {
    const std::string& text = scalar.node->text;
    const auto matches = [&text](const NamedPath& other) { return other.path == text; };
    if (!is_path(text)) {
      fields.refuse(*scalar.node, scalar.path, "path", "the name of a file or folder");
    } else if (std::any_of(paths.begin(), paths.end(), matches)) {
      fields.problems().push_back(
          {scalar.node->position, fmt::format("{}: duplicate path \"{}\"; remove one", scalar.path, excerpt(text))});
    } else {
      paths.push_back({text, scalar.node->position});
    }
  }
  return paths;
}

std::vector<std::string> read_directories(const YamlFields& fields, std::string_view field) {
  const YamlNode* list = fields.find(field);
  Problems& problems = fields.problems();
  if (list == nullptr || !is_kind(*list, Kind::list, fields.path(field), problems)) return {};
  if (list->children.empty()) {
    problems.push_back(
        {list->position, fmt::format("{} is empty; add a directory, or remove the field to use /run/netns", field)});
  }
  std::vector<std::string> directories;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& node = list->children[i];
    const std::string name = fmt::format("{}[{}]", field, i);
    if (!is_kind(node, Kind::scalar, name, problems)) continue;
    if (!node.text.starts_with('/') || has_control(node.text)) {
      fields.refuse(node, name, "path", "an absolute path such as /run/netns");
      continue;
    }
    std::string path = node.text.substr(0, std::max<std::size_t>(node.text.find_last_not_of('/') + 1, 1));
    if (std::find(directories.begin(), directories.end(), path) != directories.end()) {
      problems.push_back({node.position, fmt::format("{}: duplicate path \"{}\"; remove one", name, excerpt(path))});
      continue;
    }
    directories.push_back(std::move(path));
  }
  return directories;
}

std::optional<std::string> read_line(const YamlFields& fields, std::string_view field, std::size_t longest) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return std::nullopt;
  const auto refuse = [&](std::string message) -> std::optional<std::string> {
    fields.problems().push_back({node->position, fields.path(field) + std::move(message)});
    return std::nullopt;
  };
  if (node->text.empty()) return refuse(" is empty; remove it");
  if (node->text.size() > longest) return refuse(fmt::format(" is longer than {} bytes", longest));
  if (has_control(node->text)) return refuse(" contains a newline or a control character; write it on one line");
  return node->text;
}

}  // namespace nswarden
