// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/yaml_tree.hpp>

#include <algorithm>
#include <exception>
#include <new>
#include <sstream>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// The native form needs 6; yaml-cpp itself stops only at 500.
constexpr std::size_t deepest_nesting = 16;

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {1, 1};
  return {mark.line + 1, mark.column + 1};
}

Position position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t last_newline = before.rfind('\n');
  const std::size_t column = last_newline == std::string_view::npos ? offset : offset - last_newline - 1;
  return {static_cast<int>(lines) + 1, static_cast<int>(column) + 1};
}

/// yaml-cpp's error position is past the end of the text when it expected more characters.
Position position_of(std::string_view text, const YAML::Mark& mark) {
  const Position position = position_of(mark);
  const Position end = position_of(text, text.size());
  const bool is_inside = position.line < end.line || (position.line == end.line && position.column <= end.column);
  return is_inside ? position : end;
}

bool is_refused_control(char c) { return c != '\t' && c != '\n' && is_control(c); }

/// Position of the first line that starts with '%'. yaml-cpp silently drops such a line.
std::optional<std::size_t> find_directive(std::string_view text) {
  if (text.starts_with('%')) return 0;
  const std::size_t newline = text.find("\n%");
  if (newline == std::string_view::npos) return std::nullopt;
  return newline + 1;
}

/// Checks for problems that prevent parsing. Includes control characters, because yaml-cpp treats 0x04 as the end of the file
/// and NUL as a sign of UTF-16.
std::optional<Problem> text_problem(std::string_view text) {
  if (text.empty()) return Problem{{1, 1}, "the file is empty; it may be truncated"};
  if (auto problem = text_start_problem(text)) return problem;
  const auto* const control = std::find_if(text.begin(), text.end(), is_refused_control);
  const std::size_t invalid = std::min(static_cast<std::size_t>(control - text.begin()), valid_utf8_prefix(text));
  if (invalid < text.size()) return Problem{position_of(text, invalid), byte_problem(text[invalid])};
  if (text.back() != '\n') {
    return Problem{position_of(text, text.size()), "the file does not end with a newline; it may be truncated"};
  }
  if (const auto at = find_directive(text)) {
    return Problem{position_of(text, *at), "YAML directives (lines that start with '%') are not supported; remove them"};
  }
  return std::nullopt;
}

/// Aborts a parse from inside yaml-cpp. Never leaves this file.
struct Stop {
  Problem problem;
  bool tree_is_complete = false;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view source, std::uint16_t file, YamlTree& tree) : source_(source), file_(file), tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!tree_.root) return;
    throw Stop{{position_of(mark), "a second document starts here, or the indentation is inconsistent; write one document"},
               true};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { take(node(YamlNode::Kind::null, mark, anchor, "?")); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    add_problem(position_of(mark), "aliases (*) are not supported; repeat the value");
    take(node(YamlNode::Kind::refused, mark, 0, "?"));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    YamlNode scalar = node(YamlNode::Kind::scalar, mark, anchor, tag);
    scalar.quoted = tag == "!";
    scalar.text = value;
    take(std::move(scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(node(YamlNode::Kind::list, mark, anchor, tag));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(node(YamlNode::Kind::mapping, mark, anchor, tag));
  }
  void OnMapEnd() override { close(); }

 private:
  /// An open list or mapping.
  struct Frame {
    YamlNode node;
    bool has_key = false;  ///< a mapping that expects the value of `key`
    bool keeps_value = false;
    std::string key;
    Position key_position;
    std::unordered_map<std::string, int> lines_of_keys;
  };

  /// One problem per position: an anchor of an omitted node would be reported twice.
  void add_problem(Position position, std::string message) {
    const auto& all = tree_.problems;
    if (!all.empty() && all.back().position.line == position.line && all.back().position.column == position.column) return;
    tree_.problems.push_back({position, std::move(message)});
  }

  YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag) {
    const Position position = position_of(mark);
    // yaml-cpp reports neither the tag `!` nor an anchor of an empty node, so this checks the text: a node starts with its
    // properties.
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    const char first = at < source_.size() ? source_[at] : '\n';
    if (anchor != 0 || first == '&') add_problem(position, "anchors (&) are not supported; repeat the value each time");
    if ((tag != "?" && tag != "!") || first == '!') {
      add_problem(position, "tags (!) are not supported; to write a number as text, quote it");
    }
    YamlNode made;
    made.kind = kind;
    made.position = position;
    made.position.file = file_;
    return made;
  }

  void open(YamlNode started) {
    if (open_.size() == deepest_nesting) throw Stop{{started.position, "the nesting is deeper than 16 levels"}};
    Frame frame;
    frame.node = std::move(started);
    open_.push_back(std::move(frame));
  }

  void close() {
    YamlNode closed = std::move(open_.back().node);
    open_.pop_back();
    take(std::move(closed));
  }

  void take(YamlNode made) {
    if (open_.empty()) {
      tree_.root = std::move(made);
    } else if (open_.back().node.kind == YamlNode::Kind::list) {
      open_.back().node.children.push_back(std::move(made));
    } else if (open_.back().has_key) {
      take_value(open_.back(), std::move(made));
    } else {
      take_key(open_.back(), std::move(made));
    }
  }

  void take_key(Frame& frame, YamlNode made) {
    frame.has_key = true;
    frame.keeps_value = false;
    if (made.kind != YamlNode::Kind::scalar) {
      if (made.kind != YamlNode::Kind::refused) add_problem(made.position, "invalid key, expected a word before a colon");
      return;
    }
    if (made.text == "<<") {
      add_problem(made.position, "merge keys (<<) are not supported; repeat the fields");
      return;
    }
    const auto [seen, is_new] = frame.lines_of_keys.emplace(made.text, made.position.line);
    if (!is_new) {
      add_problem(made.position,
                  fmt::format("duplicate \"{}\", first in line {}; remove one", excerpt(made.text), seen->second));
      return;
    }
    frame.keeps_value = true;
    frame.key = std::move(made.text);
    frame.key_position = made.position;
  }

  static void take_value(Frame& frame, YamlNode made) {
    frame.has_key = false;
    if (!frame.keeps_value) return;
    // yaml-cpp gives an empty node the mark of the next token.
    if (made.kind == YamlNode::Kind::null) made.position = frame.key_position;
    made.key = std::move(frame.key);
    made.key_position = frame.key_position;
    frame.node.children.push_back(std::move(made));
  }

  std::string_view source_;
  std::uint16_t file_;
  YamlTree& tree_;
  std::vector<Frame> open_;
};

YamlTree parse_tree(std::string_view text, std::uint16_t file) {
  YamlTree tree;
  if (auto problem = text_problem(text)) {
    tree.problems.push_back(*std::move(problem));
    return tree;
  }
  const auto give_up = [&tree](Problem problem) {
    tree.root.reset();
    tree.problems.push_back(std::move(problem));
  };
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(text, file, tree);
    // yaml-cpp reads any content after the first document as a second document, so asking for one finds it.
    while (parser.HandleNextDocument(builder)) continue;
    if (!tree.root) tree.problems.push_back({{1, 1}, "the file contains only comments; it may be truncated"});
  } catch (const Stop& stop) {
    if (stop.tree_is_complete) {
      tree.problems.push_back(stop.problem);
    } else {
      give_up(stop.problem);
    }
  } catch (const YAML::Exception& error) {
    give_up({position_of(text, error.mark), fmt::format("invalid YAML: {}; check indentation, colons and quotes in this "
                                                        "line and the previous one",
                                                        printable(error.msg))});
  } catch (const std::bad_alloc&) {
    throw;  // not a property of the file
  } catch (const std::exception& error) {
    give_up({{1, 1}, fmt::format("invalid YAML: {}", printable(error.what()))});
  }
  return tree;
}

}  // namespace

std::optional<Problem> text_start_problem(std::string_view text) {
  if (text.size() > max_config_size) return Problem{{1, 1}, "the file is larger than 1 MiB"};
  if (!text.starts_with("\xEF\xBB\xBF")) return std::nullopt;
  return Problem{{1, 1}, "the file starts with a byte order mark; save it as UTF-8 without one"};
}

std::string byte_problem(char byte) {
  if (byte == '\0') return "unexpected NUL byte; the file is not a text file";
  if (byte == '\r') return "unexpected carriage return; save the file with Unix line endings";
  const bool is_ascii = static_cast<unsigned char>(byte) < 0x80;
  return is_ascii ? "unexpected control character; remove it" : "invalid UTF-8 byte; save the file as UTF-8";
}

YamlTree parse_yaml(std::string_view text, std::uint16_t file) {
  YamlTree tree = parse_tree(text, file);
  for (Problem& problem : tree.problems) problem.position.file = file;
  return tree;
}

}  // namespace nswarden
