// SPDX-License-Identifier: Apache-2.0
#include "config/sysctl_conf.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include "config/setting_rules.hpp"

namespace nswarden {
namespace {

/// `part` is a part of `whole`.
int column_of(std::string_view whole, std::string_view part) { return static_cast<int>(part.data() - whole.data()) + 1; }

/// Whether the value seems to end in a comment; the format has comments only on their own lines.
bool has_comment(std::string_view value) {
  for (std::size_t at = value.find_first_of("#;"); at != std::string_view::npos; at = value.find_first_of("#;", at + 1)) {
    if (at > 0 && blanks.find(value[at - 1]) != std::string_view::npos) return true;
  }
  return false;
}

/// Such files mostly also hold keys of other trees, which are not per netns: systemd-sysctl applies them.
bool is_host_key(std::string_view name) {
  constexpr std::array<std::string_view, 9> trees{"abi", "crypto", "debug", "dev", "fs", "kernel", "sunrpc", "user", "vm"};
  if (name.starts_with('-')) name.remove_prefix(1);
  return std::find(trees.begin(), trees.end(), name.substr(0, name.find_first_of("./"))) != trees.end();
}

/// Reads line by line and continues after each problem.
class ConfReader {
 public:
  ConfReader(const PolicyConfig& policy, std::uint16_t file, SysctlConf& conf) : policy_(policy), file_(file), conf_(conf) {}

  void read_line(std::string_view line) {
    ++line_;
    if (line.size() > max_sysctl_line) return add_problem(1, "the line is longer than 8192 bytes");
    const std::size_t invalid = std::min(valid_utf8_prefix(line), line.find_first_of(std::string_view("\0\r", 2)));
    if (invalid < line.size()) return add_problem(static_cast<int>(invalid) + 1, byte_problem(line[invalid]));
    const std::string_view text = trimmed(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') return;
    const std::size_t sign = text.find('=');
    const std::string_view name = trimmed(text.substr(0, sign));
    const int column = column_of(line, text);
    if (is_host_key(name)) return;
    const auto written = read_key(name);
    if (const auto* problem = std::get_if<Problem>(&written)) return add_problem(column, problem->message);
    const auto& [key, has_minus] = std::get<WrittenKey>(written);
    if (sign == std::string_view::npos) return exclude(key, has_minus, column);
    const std::string_view value = trimmed(text.substr(sign + 1));
    // An empty value has no column of its own.
    set(key, has_minus, column, value, value.empty() ? column_of(line, text) + static_cast<int>(sign) : column_of(line, value));
  }

 private:
  void add_problem(int column, std::string message) { conf_.problems.push_back({{line_, column, file_}, std::move(message)}); }

  /// Excludes the key from all globs.
  void exclude(const KeyPattern& key, bool has_minus, int column) {
    if (!has_minus) {
      return add_problem(
          column, fmt::format("{} has no value; write KEY = VALUE, or -KEY to exclude it from globs", display_name(key)));
    }
    if (is_new(key, column)) conf_.exclusions.push_back(key);
  }

  void set(const KeyPattern& key, bool has_minus, int column, std::string_view value, int value_column) {
    if (!is_new(key, column)) return;
    if (auto refusal = key_refusal(key, policy_)) return add_problem(column, *std::move(refusal));
    if (has_comment(value)) {
      return add_problem(value_column,
                         fmt::format("{}: the value contains a comment; sysctl.d(5) allows comments only on separate lines",
                                     display_name(key)));
    }
    if (const auto refusal = value_refusal(key, value)) {
      return add_problem(value_column, fmt::format("{}: {}", display_name(key), *refusal));
    }
    if (auto refusal = enforcing_refusal(key, policy_.mode)) return add_problem(column, *std::move(refusal));
    Setting setting{key, Want::equal(normalised(value)), {line_, column, file_}};
    setting.optional = has_minus;
    conf_.settings.push_back(std::move(setting));
  }

  /// A key that is both set and excluded is also a duplicate: systemd applies the last line, which would go unnoticed here.
  bool is_new(const KeyPattern& key, int column) {
    const auto [first, fresh] = lines_.emplace(key, line_);
    if (!fresh)
      add_problem(column, fmt::format("duplicate key {}, first in line {}; remove one", display_name(key), first->second));
    return fresh;
  }

  const PolicyConfig& policy_;
  std::uint16_t file_;
  SysctlConf& conf_;
  int line_ = 0;
  std::map<KeyPattern, int> lines_;
};

}  // namespace

SysctlConf parse_sysctl_conf(std::string_view text, const PolicyConfig& policy, std::uint16_t file) {
  SysctlConf conf;
  if (auto problem = text_start_problem(text)) {
    problem->position.file = file;
    conf.problems.push_back(*std::move(problem));
    return conf;
  }
  ConfReader reader(policy, file, conf);
  for (std::string_view rest = text; !rest.empty();) reader.read_line(take_until(rest, '\n'));
  if (const std::string_view last = text.substr(text.rfind('\n') + 1); !last.empty()) {
    const int line = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    conf.problems.push_back(
        {{line, static_cast<int>(last.size()) + 1, file}, "the file does not end with a newline; it may be truncated"});
  }
  return conf;
}

}  // namespace nswarden
