// SPDX-License-Identifier: Apache-2.0
// Strict parser for the daemon's HTML pages: only the elements and attributes in use, quoted values, all elements closed.
// Markup that a browser would repair or guess is reported as a problem, because that is how text becomes markup.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden::markup {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;  ///< decoded
  std::string text;                               ///< decoded, including descendants
};

class Page {
 public:
  explicit Page(std::string_view html) : rest_(html) {
    if (!skip("<!DOCTYPE html>\n")) fail("no doctype");
    while (problem_.empty() && !rest_.empty()) take();
    if (problem_.empty() && !open_.empty()) fail("not closed: " + elements_[open_.back()].name);
  }

  /// Empty if the page is well formed.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// In order of their start tags.
  [[nodiscard]] const std::vector<Element>& elements() const { return elements_; }
  [[nodiscard]] std::vector<Element> all(std::string_view name) const {
    std::vector<Element> found;
    for (const Element& element : elements_) {
      if (element.name == name) found.push_back(element);
    }
    return found;
  }

 private:
  void fail(std::string reason) {
    if (problem_.empty()) problem_ = std::move(reason) + " at: " + std::string(rest_.substr(0, 60));
  }

  bool skip(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }

  std::string_view until(std::string_view ends) {
    const std::size_t end = std::min(rest_.find_first_of(ends), rest_.size());
    const std::string_view part = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return part;
  }

  void take() {
    if (rest_.front() != '<') return add_text(decoded(until("<")));
    if (skip("</")) return close(std::string(until(">")));
    skip("<");
    Element element;
    element.name = until(" >");
    static const std::set<std::string_view> known{"html",   "head",   "meta",  "title",   "style", "body",  "header", "h1",
                                                  "h2",     "nav",    "ul",    "li",      "a",     "main",  "p",      "section",
                                                  "dl",     "div",    "dt",    "dd",      "form",  "label", "input",  "select",
                                                  "option", "button", "table", "caption", "thead", "tbody", "tr",     "th",
                                                  "td",     "span",   "bdi",   "code",    "time",  "br",    "wbr",    "footer"};
    if (known.count(element.name) == 0) return fail("unknown element " + element.name);
    while (problem_.empty() && skip(" ")) take_attribute(element);
    if (!skip(">")) return fail("a tag does not end");
    static const std::set<std::string_view> empty{"meta", "input", "br", "wbr"};
    const bool is_style = element.name == "style";
    if (empty.count(element.name) == 0) open_.push_back(elements_.size());
    elements_.push_back(std::move(element));
    if (is_style) elements_.back().text = until("<");
  }

  void take_attribute(Element& element) {
    const std::string name(until("= >"));
    static const std::set<std::string_view> known{
        "lang",           "charset",         "name",        "content",      "class", "id",          "href",
        "aria-label",     "aria-labelledby", "aria-hidden", "aria-current", "role",  "tabindex",    "scope",
        "datetime",       "title",           "method",      "action",       "value", "placeholder", "autocomplete",
        "autocapitalize", "spellcheck",      "selected"};
    if (known.count(name) == 0) return fail("unknown attribute " + name);
    std::string value;
    if (skip("=\"")) {
      value = decoded(until("\"<>"));
      if (!skip("\"")) return fail("a value does not end");
    } else if (name != "selected") {
      return fail("a value without quotes of " + name);
    }
    if (!element.attributes.emplace(name, value).second) fail("twice: " + name);
  }

  void close(const std::string& name) {
    if (!skip(">")) return fail("a tag does not end");
    if (open_.empty() || elements_[open_.back()].name != name) return fail("closed out of turn: " + name);
    open_.pop_back();
  }

  void add_text(const std::string& text) {
    if (open_.empty() && text.find_first_not_of('\n') != std::string::npos) return fail("text outside");
    for (const std::size_t element : open_) elements_[element].text += text;
  }

  std::string decoded(std::string_view text) {
    static const std::map<std::string_view, std::string_view> known{
        {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"#39", "'"}, {"ndash", "-"}, {"#10003", "+"}, {"#10007", "x"}};
    std::string out;
    while (!text.empty()) {
      const char c = text.front();
      text.remove_prefix(1);
      if (c == '>' || c == '"' || c == '\'') fail("not escaped");
      if (c != '&') {
        out += c;
        continue;
      }
      const std::size_t end = std::min(text.find(';'), text.size());
      const auto entity = known.find(text.substr(0, end));
      if (entity == known.end()) {
        fail("unknown entity");
        return out;
      }
      out += entity->second;
      text.remove_prefix(end + 1);
    }
    return out;
  }

  std::string_view rest_;
  std::string problem_;
  std::vector<Element> elements_;
  std::vector<std::size_t> open_;
};

}  // namespace nswarden::markup
