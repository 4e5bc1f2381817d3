// SPDX-License-Identifier: Apache-2.0
// Shapes that many fields share: booleans, modes, durations, one or a list. `fields` is the mapping that may have the field; an
// absent field gives nothing, or what the reader names. Every problem goes to the list of `fields`. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/yaml_fields.hpp"

namespace nswarden {

/// `true` or `false`, not quoted; false when absent.
bool read_boolean(const YamlFields& fields, std::string_view field);

std::optional<Mode> read_mode(const YamlFields& fields);

std::optional<std::chrono::milliseconds> read_duration(const YamlFields& fields, std::string_view field,
                                                       std::chrono::milliseconds shortest);

struct Bounds {
  std::uint32_t least = 0;
  std::uint32_t most = 0;
};
std::optional<std::uint32_t> read_number(const YamlFields& fields, std::string_view field, Bounds bounds);

/// A scalar of one or more, and how messages call it.
struct NamedScalar {
  const YamlNode* node = nullptr;
  std::string path;
};
/// One scalar, or a list of at least one.
std::vector<NamedScalar> read_one_or_list(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// None when it is refused.
std::optional<Pattern> read_pattern(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// One pattern or a list.
std::vector<Pattern> read_patterns(const YamlFields& fields, std::string_view field);

/// One path or a list.
std::vector<NamedPath> read_paths(const YamlFields& fields, std::string_view field);

/// Absolute directories without trailing slashes, each once.
std::vector<std::string> read_directories(const YamlFields& fields, std::string_view field);

/// A text on one line that is not empty, `longest` bytes at most.
std::optional<std::string> read_line(const YamlFields& fields, std::string_view field, std::size_t longest);

/// Whether `text` holds control characters, a newline among them.
bool has_control(std::string_view text);

}  // namespace nswarden
