// SPDX-License-Identifier: Apache-2.0
// Random configurations: every field, every condition, and texts that YAML could take for other types. A seed gives the same
// configuration on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/policy/inotify_events.hpp>

namespace nswarden {

class RandomConfig {
 public:
  explicit RandomConfig(std::uint32_t seed) : source_(seed) {}

  Config make() {
    Config config;
    config.include = paths(below(3));
    for (std::uint32_t i = below(3); i > 0; --i) config.netns_dirs.push_back("/" + number() + one_line() + "x");
    config.links = chance() ? Links::follow : Links::refuse;
    if (chance()) config.reconcile_interval = min_reconcile_interval + std::chrono::milliseconds{below(10'000'000)};
    if (chance()) config.command_timeout = min_command_timeout * (1 + below(100));
    if (chance()) config.repair_budget = min_repair_budget + below(max_repair_budget);
    if (chance()) config.repair_window = min_repair_window * (1 + below(7200));
    for (std::uint32_t i = below(4); i > 0; --i) config.policies.push_back(policy(i));
    return config;
  }

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(source_() % bound); }
  bool chance() { return below(2) == 0; }
  std::string number() { return std::to_string(++count_) + "n"; }

  /// May hold newlines and control characters.
  std::string text() {
    constexpr auto pieces = std::to_array<std::string_view>(
        {"a",  "Z", " ",    "  ",   "#",    " #",  ": ",     ":",      "- ",     "-",      "\"", "'",
         "\\", "{", "}",    "[",    "]",    ",",   "&",      "*",      "!",      "|",      ">",  "%",
         "@",  "`", "~",    "null", "true", "no",  "1",      "010",    "0x",     "\u00e9", "\t", "\n",
         "$(", ")", "\x01", "\x7f", "\x1b", "---", "\u2028", "\u202e", "\u0085", "\ufeff", "<<", "\U0010ffff"});
    std::string out;
    for (std::uint32_t i = below(8); i > 0; --i) out += pieces[below(pieces.size())];
    return out;
  }

  /// Generates texts until `is_fine` accepts one.
  template <class Predicate>
  std::string text_that(const Predicate& is_fine) {
    while (true) {
      std::string made = text();
      if (is_fine(made)) return made;
    }
  }

  std::string one_line() {
    return text_that(
        [](const std::string& made) { return made.find_first_of(std::string_view("\t\n\x01\x7f\x1b")) == std::string::npos; });
  }

  std::vector<NamedPath> paths(std::uint32_t count) {
    std::vector<NamedPath> made;
    for (; count > 0; --count) made.push_back({one_line() + number(), {}});
    return made;
  }

  Pattern pattern() {
    while (true) {
      auto compiled = Pattern::compile(one_line());
      if (auto* made = std::get_if<Pattern>(&compiled)) return std::move(*made);
    }
  }
  std::vector<Pattern> patterns(std::uint32_t count) {
    std::vector<Pattern> made;
    for (; count > 0; --count) made.push_back(pattern());
    return made;
  }

  /// Keys are unique.
  KeyPattern key(std::string_view interface) {
    while (true) {
      const std::string last = text_that([](const std::string& made) { return made.size() < 20; }) + number();
      const std::string below_net = interface.empty() ? "net/ipv4/" : "net/ipv4/conf/" + std::string(interface) + "/";
      auto parsed = KeyPattern::parse(below_net + last);
      if (auto* made = std::get_if<KeyPattern>(&parsed)) return std::move(*made);
    }
  }
  KeyPattern any_key() {
    constexpr std::array<std::string_view, 6> interfaces{"", "", "eth0.100", "*", "qr-[0-9a-f]?", "a\"b"};
    return key(interfaces[below(interfaces.size())]);
  }

  /// Values for interface keys are numbers.
  std::string value(const KeyPattern& of) {
    if (of.names_interface()) return std::to_string(below(1000));
    return normalised(text_that([](const std::string& made) { return !value_problem(made); }));
  }

  Want want(const KeyPattern& of) {
    const std::string low = std::to_string(below(1000));
    const std::string high = std::to_string(1000 + below(1000));
    const std::string middle = std::to_string(low == "999" ? 999 : 500 + below(500));
    switch (below(8)) {
      case 0: return condition(Want::Kind::min, {low}, high);
      case 1: return condition(Want::Kind::max, {high}, low);
      case 2: return condition(Want::Kind::between, {low, high}, high);
      case 3: {
        const std::string one = value(of);
        return condition(Want::Kind::one_of, {value(of), one, value(of)}, one);
      }
      case 4: return condition(Want::Kind::unequal, {value(of)}, middle + value(of));
      case 5: return condition(Want::Kind::regex, {pattern().text()}, value(of));
      default: return Want::equal(value(of));
    }
  }
  /// Half of the conditions have an explicit value to write, if the condition accepts it.
  Want condition(Want::Kind kind, const std::vector<std::string>& operands, const std::string& written) {
    if (chance()) {
      auto made = Want::condition(kind, operands, written, {});
      if (auto* want = std::get_if<Want>(&made)) return std::move(*want);
    }
    return std::get<Want>(Want::condition(kind, operands, std::nullopt, {}));
  }

  Setting setting(KeyPattern named) {
    Setting made{std::move(named), Want::equal({}), {}};
    made.want = want(made.key);
    made.optional = chance();
    if (below(3) == 0) made.mode = chance() && made.want.set() ? Mode::enforce : Mode::audit;
    if (chance()) made.note = one_line();
    return made;
  }

  std::vector<std::string> commands() {
    std::vector<std::string> made;
    const auto is_command = [](const std::string& text) { return text.find_first_not_of(" \t\n") != std::string::npos; };
    for (std::uint32_t i = below(3); i > 0; --i) made.push_back(text_that(is_command));
    return made;
  }

  PolicyConfig policy(std::uint32_t index) {
    PolicyConfig made;
    made.name = std::to_string(index) + text_that([](const std::string& text) { return printable(text) == text; });
    made.host = chance();
    if (!made.host || chance()) made.netns = patterns(1 + below(3));
    made.exclude = patterns(below(3));
    made.processes = chance() && !made.netns.empty();
    made.mode = chance() ? Mode::audit : Mode::enforce;
    made.allow_global = chance();
    made.restore = chance();
    made.sysctl_files = paths(below(3));
    for (std::uint32_t i = below(3); i > 0; --i) made.observe.push_back({any_key(), {}});
    for (std::uint32_t i = below(6); i > 0; --i) made.sysctls.push_back(setting(any_key()));
    if (chance()) {
      made.interfaces = patterns(1 + below(2));
      made.sysctls.push_back(setting(key("*")));
    }
    for (std::uint32_t i = below(3); i > 0; --i) made.exclusions.push_back(any_key());
    if (chance()) made.commands.capabilities = CommandCapabilities::daemon;
    made.commands.startup = commands();
    for (const std::string_view event : {"IN_CREATE", "IN_DELETE", "IN_MOVE"}) {
      if (chance()) made.commands.events.push_back({std::string(event), *inotify_bits(event), commands()});
    }
    return made;
  }

  std::mt19937 source_;
  std::uint32_t count_ = 0;
};

}  // namespace nswarden
