// SPDX-License-Identifier: Apache-2.0
// An in-memory kernel behind engine/kernel.hpp that keeps a journal of all calls. For each modelled quirk, a test of the same
// name in tests/netns checks the real kernel. `before` may change the world between any two calls, as other processes do.
#pragma once

#include <nswarden/engine/kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace nswarden::test {

struct FakeNetns;

struct FakeKey {
  std::string value;
  int read_error = 0;
  int write_error = 0;
  bool slow = false;  ///< writes are deferred: the test performs them and calls Reconciler::written()
  std::function<std::string(std::string_view)> store;  ///< the value stored by the kernel; default: value and newline
  std::function<void(FakeNetns&)> side_effect;         ///< of a write
};

struct FakeNetns {
  std::uint64_t inode = 0;
  std::uint64_t cookie = 0;
  bool alive = true;
  int enter_error = 0;
  int find_error = 0;
  Refusal refusal = Refusal::absent;    ///< bind() fails with this reason, unless `absent`
  std::map<std::string, FakeKey> keys;  ///< by path below net/
  int bound = 0;                        ///< bindings that hold one of its keys
};

class FakeKernel final : public NetnsCatalog {
 public:
  using NetnsPtr = std::shared_ptr<FakeNetns>;
  struct FakeEntry {
    EntryKind kind = EntryKind::placeholder;
    NetnsPtr netns;
  };
  using Place = std::pair<std::uint16_t, std::string>;

  std::vector<NetnsSource> listed_sources{
      {NameKind::entry, "/run/netns"}, {NameKind::entry, "/run/other"}, {NameKind::host}, {NameKind::process}};
  std::map<Place, FakeEntry> entries;
  std::vector<std::string> journal;
  std::function<void(std::string_view operation)> before;
  std::size_t fd_limit = 1000000;
  std::size_t fds = 0;
  int list_error = 0;  ///< error of listing the first directory

  NetnsPtr make(std::map<std::string, std::string> values, std::uint64_t inode = 0) {
    auto netns = std::make_shared<FakeNetns>();
    netns->cookie = ++last_cookie_;
    netns->inode = inode != 0 ? inode : 4026532000 + netns->cookie;
    for (auto& [path, value] : values) netns->keys[path].value = value + "\n";
    return netns;
  }
  void mount(const std::string& name, NetnsPtr netns, std::uint16_t directory = 0) {
    entries[{directory, name}] = {EntryKind::nsfs, std::move(netns)};
  }
  NetnsPtr add(const std::string& name, std::map<std::string, std::string> values, std::uint64_t inode = 0) {
    auto netns = make(std::move(values), inode);
    mount(name, netns);
    return netns;
  }
  void place(const std::string& name, EntryKind kind) { entries[{0, name}] = {kind, nullptr}; }
  /// `ip netns del` of the last name: the netns dies immediately.
  void remove(const std::string& name) {
    const NetnsPtr netns = entries[{0, name}].netns;
    entries.erase({0, name});
    if (netns) netns->alive = false;
  }
  [[nodiscard]] std::size_t count(std::string_view operation) const {
    std::size_t found = 0;
    for (const std::string& line : journal) found += line.starts_with(operation) ? 1 : 0;
    return found;
  }

  [[nodiscard]] std::span<const NetnsSource> sources() const override { return listed_sources; }

  Listing list(Detail detail) override {
    note(detail == Detail::full ? "list full" : "list names");
    Listing found;
    if (list_error != 0) found.failures.push_back({0, {list_error, "open directory"}});
    for (const auto& [place, entry] : entries) {
      if (list_error != 0 && place.first == 0) continue;
      found.entries.push_back(detail == Detail::full ? describe(place, entry) : Entry{place.first, place.second});
    }
    return found;
  }

  Entry look_up(std::uint16_t directory, std::string_view name) override {
    note("look " + std::string(name));
    const auto found = entries.find({directory, std::string(name)});
    if (found == entries.end()) return {directory, std::string(name)};
    return describe(found->first, found->second);
  }

  BindResult bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys, Tier tier) override;

  void note(std::string operation) {
    if (before) before(operation);
    journal.push_back(std::move(operation));
  }

 private:
  static Entry describe(const Place& place, const FakeEntry& entry) {
    return {place.first, place.second, entry.kind, entry.netns ? entry.netns->inode : 0};
  }
  std::uint64_t last_cookie_ = 0;
};

class FakeBound final : public BoundNetns {
 public:
  FakeBound(FakeKernel& kernel, FakeKernel::NetnsPtr netns, std::string name, std::span<const KeyRequest> key_requests,
            Tier tier, std::size_t fds)
      : kernel_(kernel), netns_(std::move(netns)), name_(std::move(name)), tier_(tier), fds_(fds) {
    for (const auto& request : key_requests) {
      key_requests_.push_back(request);
      open_.push_back(netns_->keys.contains(request.key->path()));
    }
    kernel_.fds += fds_;
    netns_->bound += key_requests_.empty() ? 0 : 1;
  }
  ~FakeBound() override {
    kernel_.fds -= fds_;
    netns_->bound -= key_requests_.empty() ? 0 : 1;
  }
  FakeBound(const FakeBound&) = delete;
  FakeBound& operator=(const FakeBound&) = delete;

  Result<std::span<const Reading>> read() override {
    kernel_.note("read " + name_);
    if (tier_ != Tier::held && !netns_->alive) return Error{ESTALE, "enter netns"};
    readings_.clear();
    values_.clear();
    values_.reserve(key_requests_.size());
    for (std::size_t i = 0; i < key_requests_.size(); ++i) {
      const auto key = netns_->keys.find(key_requests_[i].key->path());
      const bool there = netns_->alive && key != netns_->keys.end();
      if (tier_ != Tier::held) open_[i] = there;
      if (!open_[i]) {
        readings_.push_back({Reading::Status::missing, 0, {}});
      } else if (!there) {
        readings_.push_back({Reading::Status::vanished, ENOENT, {}});
      } else if (key->second.read_error != 0) {
        readings_.push_back({Reading::Status::unreadable, key->second.read_error, {}});
      } else {
        values_.push_back(key->second.value);
        readings_.push_back({Reading::Status::value, 0, values_.back()});
      }
    }
    return std::span<const Reading>(readings_);
  }

  Result<Write> write(std::size_t index, std::string_view value) override {
    const std::string& path = key_requests_[index].key->path();
    kernel_.note("write " + name_ + " " + path + "=" + std::string(value));
    const auto key = netns_->keys.find(path);
    if (!netns_->alive || key == netns_->keys.end()) return Error{ENOENT, "write sysctl"};
    if (!key_requests_[index].writable) return Error{EACCES, "write sysctl"};
    if (key->second.write_error != 0) return Error{key->second.write_error, "write sysctl"};
    if (key->second.slow) return Write::handed_over;
    key->second.value = key->second.store ? key->second.store(value) : std::string(value) + "\n";
    if (key->second.side_effect) key->second.side_effect(*netns_);
    return Write::done;
  }

  Result<std::size_t> find_missing() override {
    kernel_.note("find_missing " + name_);
    if (!netns_->alive) return Error{ESTALE, "enter netns"};
    std::size_t appeared = 0;
    for (std::size_t i = 0; i < key_requests_.size(); ++i) {
      if (open_[i] || !netns_->keys.contains(key_requests_[i].key->path())) continue;
      open_[i] = true;
      ++appeared;
    }
    return appeared;
  }

  Result<void> hold(std::span<const KeyRequest> keys) override {
    kernel_.note("hold " + name_);
    if (!netns_->alive) return Error{ESTALE, "enter netns"};
    netns_->bound -= key_requests_.empty() ? 0 : 1;
    key_requests_.assign(keys.begin(), keys.end());
    netns_->bound += key_requests_.empty() ? 0 : 1;
    open_.clear();
    for (const auto& request : key_requests_) open_.push_back(netns_->keys.contains(request.key->path()));
    return {};
  }

  Result<std::vector<Key>> find(std::span<const KeyPattern* const> globs) override {
    kernel_.note("find " + name_);
    if (!netns_->alive) return Error{ESTALE, "enter netns"};
    if (netns_->find_error != 0) return Error{netns_->find_error, "open directory"};
    std::vector<Key> found;
    for (const auto& [path, value] : netns_->keys) {
      const std::optional<Key> key = Key::at(path);
      const bool matched = std::any_of(globs.begin(), globs.end(), [&](const KeyPattern* glob) { return glob->matches(*key); });
      if (matched) found.push_back(*key);
    }
    return found;
  }

 private:
  FakeKernel& kernel_;
  FakeKernel::NetnsPtr netns_;  // only the fake may hold this: it keeps no kernel object alive
  std::string name_;
  Tier tier_;
  std::size_t fds_;
  std::vector<KeyRequest> key_requests_;
  std::vector<bool> open_;
  std::vector<Reading> readings_;
  std::vector<std::string> values_;
};

inline BindResult FakeKernel::bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys,
                                   Tier tier) {
  note("bind " + std::string(name));
  const auto found = entries.find({directory, std::string(name)});
  if (found == entries.end()) return Refusal::absent;
  const FakeEntry& entry = found->second;
  if (entry.kind == EntryKind::placeholder) return Refusal::not_ready;
  if (entry.kind != EntryKind::nsfs) return Refusal::not_a_netns;
  if (entry.netns->refusal != Refusal::absent) return entry.netns->refusal;
  if (entry.netns->enter_error != 0) return Error{entry.netns->enter_error, "setns"};
  const std::size_t wanted = tier == Tier::held ? keys.size() : tier == Tier::directories ? 1 : 0;
  if (fds + wanted > fd_limit) return Error{EMFILE, "open sysctl"};
  Binding binding;
  binding.id = {entry.netns->cookie, entry.netns->inode};
  binding.fds = wanted;
  binding.netns = std::make_unique<FakeBound>(*this, entry.netns, std::string(name), keys, tier, wanted);
  return binding;
}

}  // namespace nswarden::test
