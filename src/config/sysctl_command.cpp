// SPDX-License-Identifier: Apache-2.0
#include "config/sysctl_command.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "config/setting_rules.hpp"

namespace nswarden {
namespace {

struct Word {
  std::string text;
  bool is_netns = false;  ///< exactly $NETNS
};
using ShellCommand = std::vector<Word>;

/// Splits like a shell that expands only $NETNS as a whole word. Gives up on every other special character.
class ShellWords {
 public:
  explicit ShellWords(std::string_view text) : rest_(text) {}

  /// Splits into the commands of a chain.
  std::optional<std::vector<ShellCommand>> split() {
    while (!rest_.empty()) {
      if (blanks.find(rest_[0]) != std::string_view::npos) {
        rest_.remove_prefix(1);
      } else if (rest_[0] == ';' || rest_[0] == '\n') {
        // A shell requires a command before each ';', but not before a newline.
        if (rest_[0] == ';' && command_.empty()) return std::nullopt;
        end_command(1);
      } else if (rest_.starts_with("&&")) {
        if (command_.empty()) return std::nullopt;
        end_command(2);
        needs_command_ = true;
      } else if (!take_word()) {
        return std::nullopt;
      }
    }
    end_command(0);
    if (needs_command_ || commands_.empty()) return std::nullopt;
    return std::move(commands_);
  }

 private:
  void end_command(std::size_t separator) {
    rest_.remove_prefix(separator);
    if (command_.empty()) return;
    commands_.push_back(std::move(command_));
    command_.clear();
  }

  bool take_word() {
    needs_command_ = false;
    for (const std::string_view netns : {"\"${NETNS}\"", "\"$NETNS\"", "${NETNS}", "$NETNS"}) {
      if (!rest_.starts_with(netns)) continue;
      const std::string_view after = rest_.substr(netns.size());
      if (!after.empty() && std::string_view(" \t\n;&").find(after[0]) == std::string_view::npos) return false;
      rest_ = after;
      command_.push_back({{}, true});
      return true;
    }
    word_.clear();
    while (!rest_.empty() && std::string_view(" \t\n;&").find(rest_[0]) == std::string_view::npos) {
      if (!take_part()) return false;
    }
    // A single '&' ended the word.
    if (rest_.starts_with('&') && !rest_.starts_with("&&")) return false;
    command_.push_back({std::move(word_), false});
    return true;
  }

  /// Takes a character of a word, or a quoted part.
  bool take_part() {
    const char first = rest_[0];
    if (first == '\'' || first == '"') {
      const std::size_t end = rest_.find(first, 1);
      if (end == std::string_view::npos) return false;
      const std::string_view inside = rest_.substr(1, end - 1);
      if (first == '"' && inside.find_first_of("$`\\") != std::string_view::npos) return false;
      word_ += inside;
      rest_.remove_prefix(end + 1);
      return true;
    }
    constexpr std::string_view meaningful = "$`\\|<>()*?[]{}~#!";
    if (meaningful.find(first) != std::string_view::npos) return false;
    word_ += first;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
  std::string word_;
  ShellCommand command_;
  std::vector<ShellCommand> commands_;
  bool needs_command_ = false;
};

/// By name alone, or in one of the usual folders.
bool is_program(std::string_view word, std::string_view name) {
  constexpr std::array<std::string_view, 5> folders{"", "/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"};
  if (!word.ends_with(name)) return false;
  word.remove_suffix(name.size());
  return std::find(folders.begin(), folders.end(), word) != folders.end();
}

/// Options of sysctl(8) that do not change the assignments, plus -e and -p.
struct SysctlOptions {
  bool optional = false;
  bool files = false;

  bool take(std::string_view word);
};

/// Takes one word of options; false when it has unknown ones.
bool SysctlOptions::take(std::string_view word) {
  constexpr std::array<std::string_view, 5> known{"--write", "--quiet", "--values", "--ignore", "--load"};
  if (word.starts_with("--")) {
    if (std::find(known.begin(), known.end(), word) == known.end()) return false;
    optional = optional || word == "--ignore";
    files = files || word == "--load";
    return true;
  }
  for (const char letter : word.substr(1)) {
    if (std::string_view("wqnepf").find(letter) == std::string_view::npos) return false;
    optional = optional || letter == 'e';
    files = files || letter == 'p' || letter == 'f';
  }
  return word.size() > 1;
}

std::optional<std::vector<SysctlStep>> read_arguments(std::span<const Word> words) {
  SysctlOptions options;
  std::vector<SysctlStep> steps;
  std::vector<std::string_view> operands;
  for (const Word& word : words) {
    if (word.is_netns) return std::nullopt;
    if (!word.text.starts_with('-')) {
      operands.push_back(word.text);
    } else if (!operands.empty() || !options.take(word.text)) {
      return std::nullopt;
    }
  }
  for (const std::string_view operand : operands) {
    if (options.files) {
      if (!operand.starts_with('/')) return std::nullopt;
      steps.emplace_back(SysctlFile{std::string(operand)});
      continue;
    }
    const std::size_t sign = operand.find('=');
    if (sign == std::string_view::npos) return std::nullopt;
    steps.emplace_back(SysctlAssignment{std::string(trimmed(operand.substr(0, sign))),
                                        std::string(trimmed(operand.substr(sign + 1))), options.optional});
  }
  return steps.empty() ? std::nullopt : std::optional(std::move(steps));
}

std::optional<std::vector<SysctlStep>> read_one(const ShellCommand& command) {
  const bool fits = command.size() > 5 && is_program(command[0].text, "ip") && command[1].text == "netns" &&
                    command[2].text == "exec" && command[3].is_netns && is_program(command[4].text, "sysctl");
  if (!fits) return std::nullopt;
  return read_arguments(std::span(command).subspan(5));
}

}  // namespace

std::optional<std::vector<SysctlStep>> read_sysctl_command(std::string_view command) {
  const auto commands = ShellWords(command).split();
  if (!commands) return std::nullopt;
  std::vector<SysctlStep> all;
  for (const ShellCommand& one : *commands) {
    auto steps = read_one(one);
    if (!steps) return std::nullopt;
    all.insert(all.end(), std::make_move_iterator(steps->begin()), std::make_move_iterator(steps->end()));
  }
  return all;
}

}  // namespace nswarden
