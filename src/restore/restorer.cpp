// SPDX-License-Identifier: Apache-2.0
#include <nswarden/restore/restorer.hpp>

#include <algorithm>

#include <nswarden/os/privilege.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// A check scans the whole book. Entries that become due without a reload can wait this long.
constexpr seconds search_gap{60};
// A save writes the whole book: the gap to the next one is a hundred times its duration, within these limits.
constexpr seconds shortest_save_gap{1};
constexpr seconds longest_save_gap{60};
constexpr int save_factor = 100;

std::string_view displayed(const RestoreBook::Entry& entry, std::string_view value) {
  return entry.key.is_secret() ? "redacted" : value;
}

}  // namespace

Restorer::Restorer(const RestoreOptions& options, Parts parts) : parts_(parts), active_(!options.audit), store_(options.file) {
  if (!active_) return;
  RestoreFile::Loaded loaded = store_.load();
  book_ = std::move(loaded.book);
  saved_ = book_.revision();
  if (!loaded.problem.empty()) {
    parts_.log.warn("cannot load the restore book, changes by earlier runs are not restored", {{"reason", loaded.problem}});
  }
}

void Restorer::record_overwritten(const Report& report, const PolicySet& policies) {
  if (!active_) return;
  for (const RestoreBook::Entry& lost : book_.note(report, policies)) {
    parts_.log.limited("book full", LogLevel::warn, "restore book full, this change will not be restored",
                       {{"netns", report.netns}, {"key", lost.key.name()}, {"policy", lost.policy}});
  }
}

void Restorer::policies_changed() {
  queue_.clear();
  failures_logged_.clear();
  search_requested_ = true;
}

void Restorer::find_due(const Reconciler& reconciler, Time now) {
  if (!search_requested_ && now < next_search_) return;
  next_search_ = now + search_gap;
  const bool requested = std::exchange(search_requested_, false);
  queue_.clear();
  if (book_.empty()) return;
  const std::vector<NamedNetns> known = reconciler.known();
  std::map<const Resolution*, Claims> claims;  // many netns share theirs
  std::vector<std::uint64_t> cookies;
  std::set<std::uint64_t> inodes;
  for (const NamedNetns& netns : known) {
    inodes.insert(netns.id.inode);
    cookies.push_back(netns.id.cookie);
    if (!book_.knows(netns.id.cookie)) continue;
    const auto claim = claims.try_emplace(netns.resolution, *netns.resolution, reconciler.policies()).first;
    auto due = book_.due(netns.id.cookie, claim->second);
    if (!due.empty()) queue_.push_back({{netns.id.cookie, netns.directory, netns.name}, netns.label, std::move(due)});
  }
  // Also lets its catalog see the processes through which a netns without a name can be found.
  if (requested || !queue_.empty()) find_due_elsewhere(reconciler, inodes);
  for (const Due& due : queue_) cookies.push_back(due.place.cookie);
  book_.mark_alive(cookies, now);
}

/// A source that no policy uses any more has no names in the reconciler: values changed there are due, and are found here.
void Restorer::find_due_elsewhere(const Reconciler& reconciler, const std::set<std::uint64_t>& inodes) {
  const Listing listing = parts_.catalog.list(NetnsCatalog::Detail::full);
  for (const Entry& entry : listing.entries) {
    const NameKind kind = parts_.catalog.sources()[entry.directory].kind;
    const bool unknown = entry.kind == EntryKind::nsfs && inodes.find(entry.inode) == inodes.end();
    if (!unknown || kind == NameKind::entry || reconciler.policies().wants(kind)) continue;
    const BindResult bound = parts_.catalog.bind(entry.directory, entry.name, {}, Tier::transient);
    const auto* binding = std::get_if<Binding>(&bound);
    if (binding == nullptr || !book_.knows(binding->id.cookie)) continue;
    queue_.push_back({{binding->id.cookie, entry.directory, entry.name}, entry.name, book_.entries(binding->id.cookie)});
  }
}

/// Drops the entries that were written again after they were found due.
std::vector<RestoreBook::Entry> Restorer::still_recorded(Due& due) const {
  std::erase_if(due.entries, [&](const RestoreBook::Entry& entry) {
    const RestoreBook::Entry* kept = book_.find(due.place.cookie, entry.key);
    return kept == nullptr || kept->stored != entry.stored;
  });
  return due.entries;
}

void Restorer::step(Reconciler& reconciler, Time now) {
  if (queue_.empty()) return;
  Due due = std::move(queue_.front());
  queue_.pop_front();
  for (const Restored& result : restore_netns(parts_.catalog, due.place, still_recorded(due), parts_.tick))
    conclude(due, result);
  // A restored value may have changed others (kernel fact 27), and the daemon's own writes cause no events.
  reconciler.touch(due.place.directory, due.place.name, now);
  if (queue_.empty()) log_totals();
}

void Restorer::conclude(const Due& due, const Restored& result) {
  log(due, result);
  ++totals_[static_cast<std::size_t>(result.kind)];
  if (!is_settled(result)) return;
  book_.drop(due.place.cookie, result.entry.key);
  failures_logged_.erase({due.place.cookie, result.entry.key});
}

void Restorer::log(const Due& due, const Restored& result) {
  const RestoreBook::Entry& entry = result.entry;
  const std::string key = entry.key.name();
  const std::string topic = "restore " + due.label;
  const LogField netns{"netns", due.label};
  const LogField sysctl{"key", key};
  const LogField policy{"policy", entry.policy};
  const LogField found{"found", displayed(entry, entry.found)};
  const LogField stored{"set", displayed(entry, entry.stored)};
  const LogField have{"have", displayed(entry, result.have)};
  switch (result.kind) {
    case Restored::Kind::restored:
      parts_.log.limited(topic, LogLevel::info, "sysctl restored", {netns, sysctl, policy, found, stored});
      break;
    case Restored::Kind::changed_by_others:
      parts_.log.limited(topic, LogLevel::info, "sysctl not restored: another process has changed it",
                         {netns, sysctl, policy, found, stored, have});
      break;
    case Restored::Kind::failed: {
      if (!failures_logged_.insert({due.place.cookie, entry.key}).second) break;
      const std::string error = result.error == 0 ? "the kernel changed the written value" : with_remedy(result.error);
      parts_.log.limited(topic, LogLevel::warn, "sysctl not restored", {netns, sysctl, policy, found, have, {"error", error}});
      break;
    }
    case Restored::Kind::gone:
    case Restored::Kind::netns_gone:
      parts_.log.debug("sysctl not restored: it no longer exists", {netns, sysctl, policy});
      break;
  }
}

void Restorer::log_totals() {
  const auto total = [this](Restored::Kind kind) { return std::to_string(totals_[static_cast<std::size_t>(kind)]); };
  const std::string restored = total(Restored::Kind::restored);
  const std::string changed_by_others = total(Restored::Kind::changed_by_others);
  const std::string failed = total(Restored::Kind::failed);
  const bool has_changes = restored != "0" || changed_by_others != "0";
  parts_.log.write(has_changes ? LogLevel::info : LogLevel::debug, "restore finished",
                   {{"restored", restored}, {"changed_by_others", changed_by_others}, {"failed", failed}});
  totals_ = {};
}

std::optional<Time> Restorer::next_due() const {
  if (!active_ || book_.revision() == saved_) return std::nullopt;
  return next_save_;
}

void Restorer::save_if_due(Time now) {
  const std::optional<Time> due = next_due();
  if (due && now >= *due) save();
}

void Restorer::save() {
  if (!active_ || book_.revision() == saved_) return;
  const Time begin = Clock::now();
  const std::string problem = store_.save(book_);
  const Time end = Clock::now();
  next_save_ = end + std::clamp<std::chrono::nanoseconds>((end - begin) * save_factor, shortest_save_gap, longest_save_gap);
  if (problem.empty()) {
    saved_ = book_.revision();
  } else {
    next_save_ = end + longest_save_gap;
    if (problem != problem_logged_) {
      parts_.log.warn("cannot save the restore book, a later run cannot restore changes", {{"reason", problem}});
    }
  }
  problem_logged_ = problem;
}

}  // namespace nswarden
