// SPDX-License-Identifier: Apache-2.0
#include "restore/restore_book.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/policy/key_traits.hpp>
#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

constexpr std::size_t entry_overhead = 128;

bool is_same(const Key& key, std::string_view a, std::string_view b) {
  return same_value(a, b, ValueSense{traits_of(key.path()).form, {}});
}

bool written_before(const RestoreBook::Entry& a, const RestoreBook::Entry& b) {
  return std::tuple(a.key.write_rank(), std::cref(a.key)) < std::tuple(b.key.write_rank(), std::cref(b.key));
}

constexpr std::string_view magic = "nswarden-restore ";
constexpr std::string_view version = "1";

bool needs_no_escape(char c) { return c > ' ' && c < '\x7f' && c != '%'; }

std::string book_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    if (needs_no_escape(c)) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

/// nullopt for a text that book_text() does not make.
std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const auto byte = parse_number<std::uint8_t>(text.substr(i + 1, 2), 16);
    if (!byte) return std::nullopt;
    bytes += static_cast<char>(*byte);
    i += 2;
  }
  return book_text(bytes) == text ? std::optional(std::move(bytes)) : std::nullopt;
}

/// FNV-1a: protects against accidents, not against a process that may write the file.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return sum;
}

std::string last_line(std::string_view before, std::size_t lines) {
  return fmt::format("end {} {:016x}\n", lines, checksum(before));
}

Problem refusal(std::string reason) { return {{}, std::move(reason)}; }

}  // namespace

Claims::Claims(const Resolution& resolution, const PolicySet& policies) {
  claims_.reserve(resolution.settings.size());
  for (const PlannedSetting& setting : resolution.settings) {
    if (policies.policies()[setting.policy].restore) {
      claims_[setting.key.path()] = Claim::restoring;
    } else if (setting.mode == Mode::enforce) {
      claims_[setting.key.path()] = Claim::taken;
    }
  }
}

Claims::Claim Claims::of(const Key& key) const {
  const auto found = claims_.find(key.path());
  return found == claims_.end() ? Claim::none : found->second;
}

RestoreText::RestoreText(std::string_view boot) : text_(fmt::format("{}{} {}\n", magic, version, book_text(boot))) {}

void RestoreText::add(const Fields& fields) {
  std::string_view separator;
  for (const std::string& field : fields) {
    text_.append(separator).append(book_text(field));
    separator = "\t";
  }
  text_ += '\n';
  ++lines_;
}

std::string RestoreText::end() && {
  text_ += last_line(text_, lines_);
  return std::move(text_);
}

std::variant<RestoreText::Content, Problem> RestoreText::read(std::string_view text) {
  if (!text.starts_with(magic)) return refusal("it is not a restore book");
  if (!text.ends_with('\n')) return refusal("it is truncated");
  std::string_view rest = text;
  std::string_view first = take_until(rest, '\n').substr(magic.size());
  const std::size_t space = first.find(' ');
  if (first.substr(0, space) != version) {
    return refusal(fmt::format("it has version {}, expected {}", excerpt(first.substr(0, space)), version));
  }
  if (space == std::string_view::npos) return refusal("its boot id is missing");
  std::optional<std::string> boot = unescaped(first.substr(space + 1));
  if (!boot) return refusal("its boot id is damaged");
  if (rest.empty()) return refusal("it is truncated");

  Content content{*std::move(boot), {}};
  const std::size_t before_last = text.substr(0, text.size() - 1).rfind('\n') + 1;
  while (rest.size() > text.size() - before_last) content.lines.push_back(take_until(rest, '\n'));
  if (rest != last_line(text.substr(0, before_last), content.lines.size())) {
    return refusal("its last line does not match its content: it is damaged or truncated");
  }
  return content;
}

std::optional<RestoreText::Fields> RestoreText::fields_of(std::string_view line) {
  Fields fields;
  if (std::count(line.begin(), line.end(), '\t') + 1 != std::ssize(fields)) return std::nullopt;
  for (std::string& field : fields) {
    auto bytes = unescaped(take_until(line, '\t'));
    if (!bytes) return std::nullopt;
    field = *std::move(bytes);
  }
  return fields;
}

std::size_t RestoreBook::size_of(const Entry& entry) {
  return entry_overhead + entry.key.path().size() + entry.policy.size() + entry.found.size() + entry.stored.size();
}

bool RestoreBook::note(std::uint64_t cookie, const Entry& write) {
  if (cookie == 0 || (write.found.empty() && write.key.is_secret())) return true;
  Entry entry = write;
  if (const Entry* known = find(cookie, write.key)) {
    if (known->stored == write.stored && known->policy == write.policy) return true;
    entry.found = known->found;
    drop(cookie, write.key);
  }
  if (is_same(entry.key, entry.found, entry.stored)) return true;
  const std::size_t size = size_of(entry);
  if (size_ + size > max_size) return false;
  netns_[cookie].entries.emplace(write.key, std::move(entry));
  ++entries_;
  size_ += size;
  ++revision_;
  return true;
}

std::vector<RestoreBook::Entry> RestoreBook::note(const Report& report, const PolicySet& policies) {
  std::vector<Entry> lost;
  for (const Overwritten& write : report.overwritten) {
    Entry entry{write.key, policies.policies()[write.policy].name, write.found, write.stored};
    if (!note(report.cookie, entry)) lost.push_back(std::move(entry));
  }
  return lost;
}

void RestoreBook::drop(std::uint64_t cookie, const Key& key) {
  const auto netns = netns_.find(cookie);
  if (netns == netns_.end()) return;
  const auto entry = netns->second.entries.find(key);
  if (entry == netns->second.entries.end()) return;
  size_ -= size_of(entry->second);
  --entries_;
  ++revision_;
  netns->second.entries.erase(entry);
  if (netns->second.entries.empty()) netns_.erase(netns);
}

std::vector<RestoreBook::Entry> RestoreBook::due(std::uint64_t cookie, const Claims& claims) {
  std::vector<Entry> due;
  std::vector<Key> taken;
  const auto netns = netns_.find(cookie);
  if (netns == netns_.end()) return due;
  for (const auto& [key, entry] : netns->second.entries) {
    const Claims::Claim claim = claims.of(key);
    if (claim == Claims::Claim::taken) taken.push_back(key);
    if (claim == Claims::Claim::none) due.push_back(entry);
  }
  for (const Key& key : taken) drop(cookie, key);
  std::sort(due.begin(), due.end(), written_before);
  return due;
}

std::vector<RestoreBook::Entry> RestoreBook::entries(std::uint64_t cookie) const {
  std::vector<Entry> entries;
  const auto netns = netns_.find(cookie);
  if (netns == netns_.end()) return entries;
  for (const auto& [key, entry] : netns->second.entries) entries.push_back(entry);
  std::sort(entries.begin(), entries.end(), written_before);
  return entries;
}

const RestoreBook::Entry* RestoreBook::find(std::uint64_t cookie, const Key& key) const {
  const auto netns = netns_.find(cookie);
  if (netns == netns_.end()) return nullptr;
  const auto entry = netns->second.entries.find(key);
  return entry == netns->second.entries.end() ? nullptr : &entry->second;
}

void RestoreBook::mark_alive(std::span<const std::uint64_t> cookies, Time now) {
  for (auto& [cookie, netns] : netns_) {
    if (!netns.unseen_since) netns.unseen_since = now;
  }
  for (const std::uint64_t cookie : cookies) {
    const auto netns = netns_.find(cookie);
    if (netns != netns_.end()) netns->second.unseen_since.reset();
  }
  for (auto netns = netns_.begin(); netns != netns_.end();) {
    const std::optional<Time> since = netns->second.unseen_since;
    if (!since || now - *since < forgotten_after) {
      ++netns;
      continue;
    }
    for (const auto& [key, entry] : netns->second.entries) size_ -= size_of(entry);
    entries_ -= netns->second.entries.size();
    netns = netns_.erase(netns);
    ++revision_;
  }
}

std::string RestoreBook::text(std::string_view boot) const {
  RestoreText text(boot);
  for (const auto& [cookie, netns] : netns_) {
    for (const auto& [key, entry] : netns.entries) {
      text.add({std::to_string(cookie), key.path(), entry.policy, entry.found, entry.stored});
    }
  }
  return std::move(text).end();
}

std::variant<RestoreBook, Problem> RestoreBook::parse(std::string_view text, std::string_view boot) {
  if (text.size() > max_text_size) return refusal("it is larger than 32 MiB");
  auto read = RestoreText::read(text);
  if (auto* problem = std::get_if<Problem>(&read)) return std::move(*problem);
  const auto& content = std::get<RestoreText::Content>(read);
  RestoreBook book;
  for (const std::string_view line : content.lines) {
    if (std::string problem = book.add_line(line); !problem.empty()) return refusal(std::move(problem));
  }
  if (content.boot != boot) return RestoreBook();
  return book;
}

/// Returns an empty string, or the reason why the line is invalid.
std::string RestoreBook::add_line(std::string_view line) {
  const std::optional<RestoreText::Fields> fields = RestoreText::fields_of(line);
  if (!fields) return "a line does not have the five fields of an entry";
  const auto& [cookie_text, path, policy, found, stored] = *fields;
  const std::uint64_t cookie = parse_number<std::uint64_t>(cookie_text).value_or(0);
  if (cookie == 0 || std::to_string(cookie) != cookie_text) return "a netns cookie is invalid";
  const std::optional<Key> key = Key::at(path);
  if (!key) return "a key is invalid";
  const bool in_order = netns_.empty() || std::pair(netns_.rbegin()->first, netns_.rbegin()->second.entries.rbegin()->first) <
                                              std::pair(cookie, *key);
  if (!in_order) return "its lines are out of order";
  const std::size_t before = entries_;
  if (!note(cookie, {*key, policy, found, stored})) return "it has too many entries";
  return entries_ == before ? "a line has no value to restore" : "";
}

}  // namespace nswarden
