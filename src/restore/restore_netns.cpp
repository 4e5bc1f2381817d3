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

constexpr int tries_a_key = 2;

/// The kernel ignores an empty write (kernel fact 28); a newline alone empties a list.
std::string_view to_write(std::string_view value) { return value.empty() ? "\n" : value; }

/// A netns bound with the keys of the entries.
class Restoring {
 public:
  Restoring(std::unique_ptr<BoundNetns> netns, std::vector<RestoreBook::Entry> entries, std::chrono::nanoseconds tick)
      : netns_(std::move(netns)) {
    for (RestoreBook::Entry& entry : entries) {
      const ValueSense sense{traits_of(entry.key.path()).form, tick};
      ones_.push_back({{std::move(entry), Restored::What::failed, 0, {}}, sense});
    }
  }

  std::vector<Restored> run() {
    if (read()) {
      for (One& one : ones_) settle(one);
      while (write_next() && read()) continue;
    }
    std::vector<Restored> results;
    for (One& one : ones_) results.push_back(concluded(one));
    return results;
  }

 private:
  struct One {
    Restored result;
    ValueSense sense;
    bool known = false;                   // result.have is the present value
    bool gone = false;                    // the key no longer exists
    bool ours = false;                    // before any write, the value was the stored or the found one
    std::optional<std::string> target{};  // the value to reach; nullopt while it could not be read
    int tries = 0;
    int error = 0;  // of reading or writing it
  };

  static bool is_same(const One& one, std::string_view a, std::string_view b) { return same_value(a, b, one.sense); }

  /// Returns false when nothing more can be done in this netns.
  bool read() {
    const auto readings = netns_->read();
    if (!readings) {
      lost_ = readings.error().code;
      return false;
    }
    for (std::size_t i = 0; i < ones_.size(); ++i) take((*readings)[i], ones_[i]);
    return true;
  }

  static void take(const Reading& reading, One& one) {
    one.known = reading.status == Reading::Status::value;
    one.gone = reading.status == Reading::Status::missing || reading.status == Reading::Status::vanished;
    one.result.have = one.known ? normalised(reading.bytes) : std::string();
    if (reading.status == Reading::Status::unreadable) one.error = reading.error;
  }

  /// Decides by the values before any write. Side effects of later writes (kernel fact 27) do not change the decision: values
  /// of the daemon return to the found ones, and values changed by other processes return to the changed ones.
  static void settle(One& one) {
    if (!one.known) return;
    const RestoreBook::Entry& entry = one.result.entry;
    const std::string& have = one.result.have;
    one.ours = is_same(one, have, entry.stored) || is_same(one, have, entry.found);
    one.target = one.ours ? entry.found : have;
  }

  [[nodiscard]] static bool is_right(const One& one) {
    return one.known && one.target && is_same(one, one.result.have, *one.target);
  }
  [[nodiscard]] static bool may_write(const One& one) {
    return one.known && one.target && one.error == 0 && one.tries < tries_a_key && !is_right(one);
  }

  /// Writes the first difference in write order. Returns false when nothing is left to write.
  bool write_next() {
    const auto next = std::find_if(ones_.begin(), ones_.end(), may_write);
    if (next == ones_.end()) return false;
    ++next->tries;
    const auto index = static_cast<std::size_t>(next - ones_.begin());
    const auto written = netns_->write(index, to_write(*next->target));
    if (!written) next->error = written.error().code;
    if (written && *written == BoundNetns::Write::handed_over) next->error = EAGAIN;
    return true;
  }

  [[nodiscard]] Restored concluded(One& one) const {
    using What = Restored::What;
    if (lost_ != 0) {
      one.result.what = lost_ == ESTALE ? What::netns_gone : What::failed;
      one.result.error = lost_ == ESTALE ? 0 : lost_;
      one.result.have.clear();
    } else if (one.gone) {
      one.result.what = What::gone;
    } else if (is_right(one)) {
      one.result.what = one.ours ? What::restored : What::changed_by_others;
    } else {
      one.result.error = one.error;
    }
    return std::move(one.result);
  }

  std::unique_ptr<BoundNetns> netns_;
  std::vector<One> ones_;
  int lost_ = 0;
};

std::vector<Restored> all_of(std::vector<RestoreBook::Entry> entries, Restored::What what, int error) {
  std::vector<Restored> results;
  results.reserve(entries.size());
  for (RestoreBook::Entry& entry : entries) results.push_back({std::move(entry), what, error, {}});
  return results;
}

}  // namespace

std::string_view to_string(Restored::What what) {
  switch (what) {
    case Restored::What::restored: return "restored";
    case Restored::What::changed_by_others: return "changed by others";
    case Restored::What::gone:
    case Restored::What::netns_gone: return "gone";
    case Restored::What::failed: break;
  }
  return "failed";
}

bool is_settled(const Restored& result) {
  // The netns may have another name by now.
  if (result.what == Restored::What::netns_gone) return false;
  return result.what != Restored::What::failed || result.error == 0;
}

std::vector<Restored> restore_netns(NetnsCatalog& catalog, const NetnsPlace& place, std::vector<RestoreBook::Entry> entries,
                                    std::chrono::nanoseconds tick) {
  std::vector<Wish> wishes;
  std::vector<Key> keys;
  keys.reserve(entries.size());
  wishes.reserve(entries.size());
  for (const RestoreBook::Entry& entry : entries) keys.push_back(entry.key);
  for (const Key& key : keys) wishes.push_back({&key, true});
  // A transient binding holds no fds, and verifies the identity of the netns each time that it enters it.
  BindResult bound = catalog.bind(place.directory, place.name, wishes, Tier::transient);
  if (const auto* error = std::get_if<Error>(&bound)) return all_of(std::move(entries), Restored::What::failed, error->code);
  auto* binding = std::get_if<Binding>(&bound);
  if (binding == nullptr || binding->id.cookie != place.cookie) {
    return all_of(std::move(entries), Restored::What::netns_gone, 0);
  }
  return Restoring(std::move(binding->netns), std::move(entries), tick).run();
}

}  // namespace nswarden
