// SPDX-License-Identifier: Apache-2.0
#include "restore/restore_book.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <tuple>
#include <utility>

#include <nswarden/policy/key_traits.hpp>
#include <nswarden/policy/value.hpp>
#include "restore/restore_text.hpp"

namespace nswarden {
namespace {

constexpr std::size_t size_of_an_entry_besides_its_texts = 128;

bool is_same(const Key& key, std::string_view a, std::string_view b) {
  return same_value(a, b, ValueSense{traits_of(key.path()).form, {}});
}

bool written_before(const RestoreBook::Entry& a, const RestoreBook::Entry& b) {
  return std::tuple(a.key.write_rank(), std::cref(a.key)) < std::tuple(b.key.write_rank(), std::cref(b.key));
}

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

std::size_t RestoreBook::size_of(const Entry& entry) {
  return size_of_an_entry_besides_its_texts + entry.key.path().size() + entry.policy.size() + entry.found.size() +
         entry.stored.size();
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

void RestoreBook::saw_living(std::span<const std::uint64_t> cookies, Time now) {
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

std::variant<RestoreBook, std::string> RestoreBook::parse(std::string_view text, std::string_view boot) {
  if (text.size() > max_text_size) return "it is larger than 32 MiB";
  auto read = RestoreText::read(text);
  if (auto* problem = std::get_if<std::string>(&read)) return std::move(*problem);
  const auto& content = std::get<RestoreText::Content>(read);
  RestoreBook book;
  for (const std::string_view line : content.lines) {
    if (std::string problem = book.add_line(line); !problem.empty()) return problem;
  }
  if (content.boot != boot) return RestoreBook();
  return book;
}

/// Empty, or what is wrong with it.
std::string RestoreBook::add_line(std::string_view line) {
  const std::optional<RestoreText::Fields> fields = RestoreText::fields_of(line);
  if (!fields) return "a line has not the five fields of an entry";
  const auto& [cookie_text, path, policy, found, stored] = *fields;
  std::uint64_t cookie = 0;
  const auto [end, error] = std::from_chars(cookie_text.data(), cookie_text.data() + cookie_text.size(), cookie);
  const bool whole = error == std::errc() && end == cookie_text.data() + cookie_text.size();
  if (!whole || cookie == 0 || std::to_string(cookie) != cookie_text) return "a cookie is no number as it should be";
  const std::optional<Key> key = Key::at(path);
  if (!key) return "a key is none that a netns can have";
  const bool in_order = netns_.empty() || std::pair(netns_.rbegin()->first, netns_.rbegin()->second.entries.rbegin()->first) <
                                              std::pair(cookie, *key);
  if (!in_order) return "its lines are not in order";
  const std::size_t before = entries_;
  if (!note(cookie, {*key, policy, found, stored})) return "there is more in it than a book can hold";
  return entries_ == before ? "a line has nothing to put back" : "";
}

}  // namespace nswarden
