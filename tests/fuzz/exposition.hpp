// SPDX-License-Identifier: Apache-2.0
// Strict parser for scrapes in the text format 0.0.4: each family in one block, each series once, distinct labels.
#pragma once

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "oracle.hpp"

namespace nswarden::fuzz {

class Exposition {
 public:
  /// Aborts at the first line that Prometheus would reject or misread.
  static void check(std::string_view text) {
    require(text.ends_with('\n') && is_valid_utf8(text), "a scrape is whole lines of UTF-8");
    Exposition exposition;
    while (!text.empty()) exposition.take(next_part(text, '\n'));
  }

 private:
  void take(std::string_view line) {
    if (line.starts_with("# HELP ")) {
      std::string_view rest = line.substr(7);
      family_ = next_part(rest, ' ');
      require(is_name(family_) && families_.insert(family_).second, "a family comes once", line);
      require(rest.find('\\') == std::string_view::npos, "a help text needs no escapes", line);
    } else if (line.starts_with("# TYPE ")) {
      std::string_view rest = line.substr(7);
      require(next_part(rest, ' ') == family_, "a type follows its help", line);
      require(rest == "counter" || rest == "gauge" || rest == "histogram", "a type is a known one", line);
      is_histogram_ = rest == "histogram";
    } else {
      take_sample(line);
    }
  }

  void take_sample(std::string_view line) {
    const std::size_t name_end = std::min(line.find_first_of("{ "), line.size());
    const std::string_view name = line.substr(0, name_end);
    std::string_view rest = line.substr(name_end);
    require(name.starts_with(family_), "a sample stands below its family", line);
    const std::string_view suffix = name.substr(family_.size());
    const bool of_histogram = suffix == "_bucket" || suffix == "_sum" || suffix == "_count";
    require(is_histogram_ ? of_histogram : suffix.empty(), "a sample is named after its family", line);
    if (rest.starts_with('{')) take_labels(rest, line);
    const std::string_view series = line.substr(0, line.size() - rest.size());
    require(series_.insert(series).second, "a series comes once", line);
    require(rest.starts_with(' ') && is_number(std::string(rest.substr(1))), "a sample ends with a number", line);
  }

  /// Removes `{a="b",c="d"}` from the front of `rest`.
  static void take_labels(std::string_view& rest, std::string_view line) {
    std::set<std::string_view> names;
    do {
      rest.remove_prefix(1);
      const std::string_view name = next_part(rest, '=');
      require(is_name(name) && names.insert(name).second, "a label has a name of its own", line);
      require(rest.starts_with('"'), "a label's value is in quotes", line);
      rest.remove_prefix(1);
      while (!rest.empty() && rest[0] != '"') {
        const bool escape = rest[0] == '\\';
        require(!escape || (rest.size() > 1 && (rest[1] == '\\' || rest[1] == '"' || rest[1] == 'n')), "escapes are known",
                line);
        rest.remove_prefix(escape ? 2 : 1);
      }
      require(rest.starts_with('"'), "a label's value ends", line);
      rest.remove_prefix(1);
    } while (rest.starts_with(','));
    require(rest.starts_with('}'), "labels end", line);
    rest.remove_prefix(1);
  }

  static bool is_name(std::string_view text) {
    constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return !text.empty() && text.find_first_not_of(known) == std::string_view::npos && (text[0] < '0' || text[0] > '9');
  }

  static bool is_number(const std::string& text) {
    char* end = nullptr;
    std::strtod(text.c_str(), &end);
    return !text.empty() && text[0] != ' ' && *end == '\0';
  }

  std::string_view family_;
  bool is_histogram_ = false;
  std::set<std::string_view> families_;
  std::set<std::string_view> series_;
};

}  // namespace nswarden::fuzz
