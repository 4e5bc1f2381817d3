// SPDX-License-Identifier: Apache-2.0
#include <nswarden/restore/restore_netns.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include <nswarden/policy/key_traits.hpp>
#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

constexpr int max_tries_per_key = 2;

/// The kernel ignores an empty write (kernel fact 28); a newline alone empties a list.
std::string_view to_write(std::string_view value) { return value.empty() ? "\n" : value; }

/// A netns bound with the keys of the entries.
class Restoring {
 public:
  Restoring(std::unique_ptr<BoundNetns> netns, std::vector<RestoreBook::Entry> entries, std::chrono::nanoseconds tick)
      : netns_(std::move(netns)) {
    for (RestoreBook::Entry& entry : entries) {
      const ValueSense sense{traits_of(entry.key.path()).form, tick};
      items_.push_back({{std::move(entry), Restored::Kind::failed, 0, {}}, sense});
    }
  }

  std::vector<Restored> run() {
    if (read()) {
      for (Item& one : items_) choose_target(one);
      while (write_next() && read()) continue;
    }
    std::vector<Restored> results;
    for (Item& one : items_) results.push_back(concluded(one));
    return results;
  }

 private:
  struct Item {
    Restored result;
    ValueSense sense;
    bool known = false;                   // result.have is the present value
    bool gone = false;                    // the key no longer exists
    bool ours_before = false;             // before any write, the value was the stored or the found one
    std::optional<std::string> target{};  // the value to reach; nullopt while it could not be read
    int tries = 0;
    int error = 0;  // of reading or writing it
  };

  static bool is_same(const Item& one, std::string_view a, std::string_view b) { return same_value(a, b, one.sense); }

  /// Returns false when nothing more can be done in this netns.
  bool read() {
    const auto readings = netns_->read();
    if (!readings) {
      lost_ = readings.error().code;
      return false;
    }
    for (std::size_t i = 0; i < items_.size(); ++i) store_reading((*readings)[i], items_[i]);
    return true;
  }

  static void store_reading(const Reading& reading, Item& one) {
    one.known = reading.status == Reading::Status::value;
    one.gone = reading.status == Reading::Status::missing || reading.status == Reading::Status::vanished;
    one.result.have = one.known ? normalised(reading.bytes) : std::string();
    if (reading.status == Reading::Status::unreadable) one.error = reading.error;
  }

  /// Decides by the values before any write. Side effects of later writes (kernel fact 27) do not change the decision: values
  /// of the daemon return to the found ones, and values changed by other processes return to the changed ones.
  static void choose_target(Item& one) {
    if (!one.known) return;
    const RestoreBook::Entry& entry = one.result.entry;
    const std::string& have = one.result.have;
    one.ours_before = is_same(one, have, entry.stored) || is_same(one, have, entry.found);
    one.target = one.ours_before ? entry.found : have;
  }

  [[nodiscard]] static bool has_target_value(const Item& one) {
    return one.known && one.target && is_same(one, one.result.have, *one.target);
  }
  [[nodiscard]] static bool may_write(const Item& one) {
    return one.known && one.target && one.error == 0 && one.tries < max_tries_per_key && !has_target_value(one);
  }

  /// Writes the first difference in write order. Returns false when nothing is left to write.
  bool write_next() {
    const auto next = std::find_if(items_.begin(), items_.end(), may_write);
    if (next == items_.end()) return false;
    ++next->tries;
    const auto index = static_cast<std::size_t>(next - items_.begin());
    const auto written = netns_->write(index, to_write(*next->target));
    if (!written) next->error = written.error().code;
    if (written && *written == BoundNetns::Write::handed_over) next->error = EAGAIN;
    return true;
  }

  [[nodiscard]] Restored concluded(Item& one) const {
    using Kind = Restored::Kind;
    if (lost_ != 0) {
      one.result.kind = lost_ == ESTALE ? Kind::netns_gone : Kind::failed;
      one.result.error = lost_ == ESTALE ? 0 : lost_;
      one.result.have.clear();
    } else if (one.gone) {
      one.result.kind = Kind::gone;
    } else if (has_target_value(one)) {
      one.result.kind = one.ours_before ? Kind::restored : Kind::changed_by_others;
    } else {
      one.result.error = one.error;
    }
    return std::move(one.result);
  }

  std::unique_ptr<BoundNetns> netns_;
  std::vector<Item> items_;
  int lost_ = 0;
};

std::vector<Restored> all_of(std::vector<RestoreBook::Entry> entries, Restored::Kind kind, int error) {
  std::vector<Restored> results;
  results.reserve(entries.size());
  for (RestoreBook::Entry& entry : entries) results.push_back({std::move(entry), kind, error, {}});
  return results;
}

}  // namespace

std::string_view to_string(Restored::Kind kind) {
  switch (kind) {
    case Restored::Kind::restored: return "restored";
    case Restored::Kind::changed_by_others: return "changed by others";
    case Restored::Kind::gone:
    case Restored::Kind::netns_gone: return "gone";
    case Restored::Kind::failed: break;
  }
  return "failed";
}

bool is_settled(const Restored& result) {
  // The netns may have another name by now.
  if (result.kind == Restored::Kind::netns_gone) return false;
  return result.kind != Restored::Kind::failed || result.error == 0;
}

std::vector<Restored> restore_netns(NetnsCatalog& catalog, const NetnsPlace& place, std::vector<RestoreBook::Entry> entries,
                                    std::chrono::nanoseconds tick) {
  std::vector<KeyRequest> key_requests;
  std::vector<Key> keys;
  keys.reserve(entries.size());
  key_requests.reserve(entries.size());
  for (const RestoreBook::Entry& entry : entries) keys.push_back(entry.key);
  for (const Key& key : keys) key_requests.push_back({&key, true});
  // A transient binding holds no fds, and verifies the identity of the netns each time that it enters it.
  BindResult bound = catalog.bind(place.directory, place.name, key_requests, Tier::transient);
  if (const auto* error = std::get_if<Error>(&bound)) return all_of(std::move(entries), Restored::Kind::failed, error->code);
  auto* binding = std::get_if<Binding>(&bound);
  if (binding == nullptr || binding->id.cookie != place.cookie) {
    return all_of(std::move(entries), Restored::Kind::netns_gone, 0);
  }
  return Restoring(std::move(binding->netns), std::move(entries), tick).run();
}

}  // namespace nswarden
