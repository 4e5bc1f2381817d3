// SPDX-License-Identifier: Apache-2.0
#include "cli/restore_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/selected_catalog.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/tick.hpp>
#include <nswarden/report/console.hpp>
#include <nswarden/restore/restore.hpp>
#include <nswarden/restore/restore_store.hpp>
#include "cli/restore_report.hpp"

namespace nswarden {
namespace {

constexpr std::string_view remedy =
    "take the policy out of its configuration and reload it, which puts the values back, or stop it first";

class Restoration {
 public:
  Restoration(const Options& options, const Configuration& configuration)
      : options_(options),
        catalog_(netns_sources(netns_directories(options.config, configuration.config)), configuration.config.links),
        selected_(catalog_, options.netns),
        store_(options.restore_file) {}

  int run() {
    if (const auto may = catalog_.may_enter(); !may) {
      complain(cannot_enter_any(may.error().code));
      return exit_unreadable;
    }
    RestoreStore::Loaded loaded = store_.load();
    if (!loaded.problem.empty()) {
      complain(loaded.problem);
      return exit_unreadable;
    }
    RestoreBook& book = loaded.book;
    bool whole = true;
    const std::vector<Place> places = find(book, whole);
    RestoreReport report;
    for (const Place& place : places) restore_netns(place, book, report);
    report.elsewhere = options_.netns.empty() ? book.size() - kept_of(places, book) : 0;
    if (const std::string problem = store_.save(book); !problem.empty()) {
      complain(problem);
      whole = false;
    }
    const std::string text = options_.output == Output::json ? restore_json(report) : restore_table(report, colour_of_stdout());
    fmt::print("{}", text);
    using What = Restored::What;
    if (report.count(What::changed_by_others) > 0) return exit_drifted;
    return whole && report.count(What::failed) == 0 ? exit_compliant : exit_unreadable;
  }

 private:
  struct Place {
    std::string label;
    NetnsPlace at;
  };

  [[nodiscard]] std::string label_of(const Entry& entry) const {
    const NetnsSource& source = catalog_.sources()[entry.directory];
    const bool bare = entry.directory == 0 || source.kind != NameKind::entry;
    return bare ? entry.name : source.directory + '/' + entry.name;
  }

  /// The netns that the book knows, each once, in byte order of their labels. `whole` becomes false when there may be others.
  std::vector<Place> find(const RestoreBook& book, bool& whole) {
    Listing listing = selected_.list(NetnsCatalog::Detail::full);
    for (const Listing::Failure& failure : listing.failures) {
      complain(fmt::format("cannot list {}: {}", printable(catalog_.sources()[failure.directory].directory),
                           error_text(failure.error.code)));
      whole = false;
    }
    for (const std::string& name : selected_.not_found()) {
      complain(fmt::format("no netns is named {}", printable(name)));
      whole = false;
    }
    std::vector<Place> places;
    for (const Entry& entry : listing.entries) {
      if (entry.kind == EntryKind::nsfs) places.push_back({label_of(entry), {0, entry.directory, entry.name}});
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.label < b.label; });
    std::set<std::uint64_t> seen;
    std::erase_if(places, [&](Place& place) {
      const BindResult bound = catalog_.bind(place.at.directory, place.at.name, {}, Tier::transient);
      if (const auto* error = std::get_if<Error>(&bound)) {
        complain(fmt::format("cannot enter {}: {}", printable(place.label), with_remedy(error->code)));
        whole = false;
      }
      const auto* binding = std::get_if<Binding>(&bound);
      if (binding == nullptr) return true;
      place.at.cookie = binding->id.cookie;
      return !book.knows(place.at.cookie) || !seen.insert(place.at.cookie).second;
    });
    return places;
  }

  void restore_netns(const Place& place, RestoreBook& book, RestoreReport& report) {
    ++report.netns;
    for (Restored& result : restore(catalog_, place.at, book.entries(place.at.cookie), kernel_tick())) {
      if (is_settled(result)) book.drop(place.at.cookie, result.entry.key);
      report.findings.push_back({place.label, std::move(result)});
    }
  }

  static std::size_t kept_of(const std::vector<Place>& places, const RestoreBook& book) {
    std::size_t kept = 0;
    for (const Place& place : places) kept += book.entries(place.at.cookie).size();
    return kept;
  }

  const Options& options_;
  LinuxCatalog catalog_;  // of all kinds of names: what was changed need not be wanted any more
  SelectedCatalog selected_;
  RestoreStore store_;
};

}  // namespace

int restore_values(const Options& options, const Configuration& configuration) {
  try {
    const InstanceLock lock({options.lock_file, options.audit}, netns_directories(options.config, configuration.config),
                            remedy);
    return Restoration(options, configuration).run();
  } catch (const std::system_error& error) {
    complain(error.what());
    return exit_unreadable;
  } catch (const std::runtime_error& error) {
    complain(error.what());
    return exit_usage;
  }
}

void keep_overwritten(const Options& options, const PolicySet& policies, const std::vector<Report>& reports) {
  const auto overwrote = [](const Report& report) { return !report.overwritten.empty(); };
  if (std::none_of(reports.begin(), reports.end(), overwrote)) return;
  RestoreStore store(options.restore_file);
  RestoreStore::Loaded loaded = store.load();
  bool kept = true;
  for (const Report& report : reports) {
    for (const Overwritten& write : report.overwritten) {
      const std::string& policy = policies.policies()[write.policy].name;
      kept = loaded.book.note(report.cookie, {write.key, policy, write.found, write.stored}) && kept;
    }
  }
  if (!kept) complain("note: not all that was changed can be put back later, since there is too much to remember");
  const std::string problem = store.save(loaded.book);
  if (!problem.empty()) complain(fmt::format("note: what was changed cannot be put back later: {}", problem));
}

}  // namespace nswarden
