// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key_traits.hpp>

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/key_table.hpp"
#include "policy/key_text.hpp"
#include "policy/value_forms.hpp"

namespace nswarden {
namespace {

/// Traits from several rows.
void add(KeyTraits& sum, const KeyTraits& more) {
  if (more.form != ValueForm::words) {
    sum.form = more.form;
    sum.numbers = more.numbers;
    sum.wide = more.wide;
  }
  sum.secret |= more.secret;
  sum.write_only |= more.write_only;
  sum.read_only |= more.read_only;
  sum.global |= more.global;
  sum.read_only_in_child |= more.read_only_in_child;
  sum.only_in_first |= more.only_in_first;
  sum.waits_for_rtnl |= more.waits_for_rtnl;
  sum.needs_entering |= more.needs_entering;
}

/// The table, made ready to be looked into.
class TraitsIndex {
 public:
  TraitsIndex() {
    for (const KeyRow& row : key_table) add_row(row);
    for (auto& [path, traits] : exact_) {
      KeyTraits all = of_globs(path);
      add(all, traits);
      traits = all;
    }
  }

  /// `path` has the `*` of the table where an interface stands.
  [[nodiscard]] KeyTraits of(const std::string& path) const {
    const auto found = exact_.find(path);
    return found != exact_.end() ? found->second : of_globs(path);
  }
  /// What is only said of `all` or `default`.
  [[nodiscard]] KeyTraits of_globs(std::string_view path) const {
    KeyTraits sum;
    for (const auto& [prefix, traits] : below_) {
      if (path.starts_with(prefix)) add(sum, traits);
    }
    for (const auto& [name, traits] : anywhere_) {
      if (path.ends_with(name)) add(sum, traits);
    }
    return sum;
  }

 private:
  void add_row(const KeyRow& row) {
    std::string_view rest = row.names;
    for (std::string_view name = next_word(rest); !name.empty(); name = next_word(rest)) {
      if (row.directory == "*") {
        anywhere_.emplace_back("/" + std::string(name), row.traits);
        continue;
      }
      std::string path = std::string(row.directory) + "/" + std::string(name);
      if (path.ends_with('*')) {
        path.pop_back();
        below_.emplace_back(std::move(path), row.traits);
      } else {
        add(exact_[path], row.traits);
      }
    }
  }

  std::unordered_map<std::string, KeyTraits> exact_;
  std::vector<std::pair<std::string, KeyTraits>> below_;     // all that start so
  std::vector<std::pair<std::string, KeyTraits>> anywhere_;  // all that end so
};

const TraitsIndex& traits_index() {
  static const TraitsIndex index;  // of constants, made by the first call
  return index;
}

constexpr std::uint64_t most_signed = 0x7FFF'FFFF;
constexpr std::uint64_t most_unsigned = 0xFFFF'FFFF;
// In ticks of the kernel it has to fit in 31 bits, with up to 1000 of them a second.
constexpr std::uint64_t most_clock_ticks = most_signed / 10;

/// Whether the kernel keeps all of it, for a key with such traits. Most keys refuse what does not fit in 32 bits with EINVAL; those
/// that are kept in ticks store something else (kernel fact 28).
bool fits(const Number& number, const KeyTraits& traits) {
  if (traits.form == ValueForm::milliseconds) return !number.negative && number.magnitude <= most_signed;
  if (traits.form == ValueForm::clock_ticks) return !number.negative && number.magnitude <= most_clock_ticks;
  if (traits.wide) return !number.negative || number.magnitude <= most_signed;
  return number.magnitude <= (number.negative ? most_signed + 1 : most_unsigned);
}

std::optional<std::string> numbers_problem(std::string_view text, const KeyTraits& traits) {
  std::string_view rest = text;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const auto number = Number::parse(word);
    if (!number) return "the key takes numbers, and the value has something else in it";
    if (!fits(*number, traits)) return "a number is outside what the key can store, so the kernel would refuse or cut it";
  }
  return std::nullopt;
}

std::size_t count_words(std::string_view text) {
  std::size_t count = 0;
  while (!next_word(text).empty()) ++count;
  return count;
}

std::string count_refusal(const KeyTraits& traits, std::size_t count) {
  const std::string wanted = traits.numbers == 1 ? "1 number" : std::to_string(traits.numbers) + " numbers";
  return "the key takes " + wanted + ", and the value has " + std::to_string(count);
}

/// tcp_fastopen_key: one or two keys of four words each.
bool has_whole_keys(std::string_view text) {
  int keys = 0;
  Parts all(text, ',');
  for (auto key = all.next(); key; key = all.next()) {
    int words = 0;
    Parts parts(*key, '-');
    while (parts.next()) ++words;
    if (words != 4 || ++keys > 2) return false;
  }
  return true;
}

}  // namespace

KeyTraits traits_of(std::string_view path) {
  const std::size_t last = path.rfind('/') + 1;
  if (has_glob(path.substr(last))) return {};
  const TraitsIndex& index = traits_index();
  const std::string_view interface = interface_in(path);
  if (interface.empty()) return index.of(std::string(path));
  const auto begin = static_cast<std::size_t>(interface.data() - path.data());
  std::string general(path);
  general.replace(begin, interface.size(), "*");
  KeyTraits traits = index.of(general);
  if (interface == "default" || interface == "all") traits.only_in_first |= index.of_globs(path).only_in_first;
  return traits;
}

// No message repeats the value: it may be a secret.
std::optional<std::string> value_problem(std::string_view text, const KeyTraits& traits) {
  if (auto problem = value_text_problem(text)) return problem;
  switch (traits.form) {
    case ValueForm::words: return value_problem(text);
    case ValueForm::numbers:
    case ValueForm::milliseconds:
    case ValueForm::clock_ticks: {
      if (auto problem = value_problem(text)) return problem;
      if (auto problem = numbers_problem(text, traits)) return problem;
      const std::size_t count = count_words(text);
      if (traits.numbers != 0 && count != traits.numbers) return count_refusal(traits, count);
      return std::nullopt;
    }
    case ValueForm::ports:
      if (ports_text(text)) return std::nullopt;
      return "the key takes numbers up to 65535 and ranges of them, with commas and no spaces between, as 8080,9000-9010";
    case ValueForm::ipv6:
      if (ipv6_text(text)) return std::nullopt;
      return "the key takes an IPv6 address";
    case ValueForm::mask:
      if (mask_text(text)) return std::nullopt;
      return "the key takes a mask: up to 8 hexadecimal digits, or several such groups with commas between";
    case ValueForm::hex:
      if (hex_text(text) && has_whole_keys(text)) return std::nullopt;
      return "the key takes four groups of up to 8 hexadecimal digits with dashes between, or two of these with a comma "
             "between";
    case ValueForm::names: return value_problem(text);
  }
  return std::nullopt;
}

std::optional<std::string> bound_problem(std::string_view text, const KeyTraits& traits) {
  KeyTraits single = traits;
  if (traits.numbers > 1 && count_words(text) == 1) single.numbers = 1;
  return value_problem(text, single);
}

}  // namespace nswarden
