// SPDX-License-Identifier: Apache-2.0
#include "cli/restore_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/policy/netns_name.hpp>
#include <nswarden/report/json.hpp>
#include <nswarden/restore/restore_file.hpp>
#include "cli/chosen_netns.hpp"

namespace nswarden {
namespace {

constexpr std::string_view remedy =
    "remove the policy from its configuration and reload, which restores the values, or stop it first";

struct Counts {
  std::size_t restored = 0;
  std::size_t changed_by_others = 0;
  std::size_t gone = 0;
  std::size_t failed = 0;
};

Counts counts_of(const RestoreReport& report) {
  using Kind = Restored::Kind;
  const auto count = [&settings = report.settings](Kind kind) {
    const auto is_of_kind = [kind](const RestoreReport::Setting& setting) { return setting.result.kind == kind; };
    return static_cast<std::size_t>(std::count_if(settings.begin(), settings.end(), is_of_kind));
  };
  return {count(Kind::restored), count(Kind::changed_by_others), count(Kind::gone) + count(Kind::netns_gone),
          count(Kind::failed)};
}

/// Returns bytes.
std::string displayed(const Restored& result, const std::string& value) {
  return result.entry.key.is_secret() && !value.empty() ? "redacted" : value;
}

std::string failure(const Restored& result) {
  if (result.error == 0) return "the kernel changed the written value";
  return error_text(result.error);
}

std::string state_of(const Restored& result) {
  const std::string state(to_string(result.kind));
  return result.kind == Restored::Kind::failed ? fmt::format("{} ({})", state, failure(result)) : state;
}

std::string_view shade(const Restored& result, Colour colour) {
  if (colour == Colour::never) return {};
  return result.kind == Restored::Kind::restored ? "\x1b[32m" : "\x1b[31m";
}

/// A netns in the restore book.
struct KnownNetns {
  std::string label;
  NetnsPlace at;
};

/// One run of `apply --restore`, which holds the instance lock.
class Restoration {
 public:
  Restoration(const Options& options, const LoadedConfig& configuration)
      : options_(options), netns_(options, configuration.config), store_(options.restore_file) {}

  int run() {
    if (netns_.print_enter_problem()) return exit_unreadable;
    auto loaded = store_.load();
    if (!loaded.problem.empty()) {
      print_to_stderr(loaded.problem);
      return exit_unreadable;
    }
    RestoreBook& book = loaded.book;
    const std::vector<KnownNetns> known = find(book);
    RestoreReport report;
    report.elsewhere = book.size();
    for (const KnownNetns& netns : known) restore_netns(netns, book, report);
    if (!options_.netns.empty()) report.elsewhere = 0;
    if (const std::string problem = store_.save(book); !problem.empty()) {
      print_to_stderr(problem);
      complete_ = false;
    }
    fmt::print("{}", options_.output == Output::json ? restore_json(report) : restore_table(report, colour_of_stdout()));
    const Counts counts = counts_of(report);
    if (counts.changed_by_others > 0) return exit_drifted;
    return complete_ && counts.failed == 0 ? exit_compliant : exit_unreadable;
  }

 private:
  /// The netns in the restore book, each once, in byte order of their labels.
  std::vector<KnownNetns> find(const RestoreBook& book) {
    const Listing listing = netns_.selected().list(NetnsCatalog::Detail::full);
    if (netns_.print_list_failures(listing.failures)) complete_ = false;
    if (netns_.print_missing_names()) complete_ = false;
    std::vector<KnownNetns> known;
    for (const Entry& entry : listing.entries) {
      if (entry.kind != EntryKind::nsfs) continue;
      known.push_back({label_of(netns_.catalog().sources()[entry.directory], entry.directory, entry.name),
                       {0, entry.directory, entry.name}});
    }
    std::sort(known.begin(), known.end(), [](const KnownNetns& a, const KnownNetns& b) { return a.label < b.label; });
    std::set<std::uint64_t> seen;
    std::erase_if(known, [&](KnownNetns& netns) {
      const BindResult bound = netns_.catalog().bind(netns.at.directory, netns.at.name, {}, Tier::transient);
      if (const auto* error = std::get_if<Error>(&bound)) {
        print_to_stderr(fmt::format("cannot enter {}: {}", printable(netns.label), with_remedy(error->code)));
        complete_ = false;
      }
      const auto* binding = std::get_if<Binding>(&bound);
      if (binding == nullptr) return true;
      netns.at.cookie = binding->id.cookie;
      return !book.knows(netns.at.cookie) || !seen.insert(netns.at.cookie).second;
    });
    return known;
  }

  void restore_netns(const KnownNetns& netns, RestoreBook& book, RestoreReport& report) {
    ++report.netns;
    report.elsewhere -= book.entries(netns.at.cookie).size();
    for (Restored& result : nswarden::restore_netns(netns_.catalog(), netns.at, book.entries(netns.at.cookie), kernel_tick())) {
      if (is_settled(result)) book.drop(netns.at.cookie, result.entry.key);
      report.settings.push_back({netns.label, std::move(result)});
    }
  }

  const Options& options_;
  ChosenNetns netns_;  // all kinds of names: changed settings need not be wanted any more
  RestoreFile store_;
  bool complete_ = true;  // all entries found and saved
};

}  // namespace

std::string restore_table(const RestoreReport& report, Colour colour) {
  Table table;
  table.row({"NETNS", "KEY", "FOUND", "HAVE", "STATE", "POLICY"});
  for (const RestoreReport::Setting& setting : report.settings) {
    const Restored& result = setting.result;
    const auto& entry = result.entry;
    table.row({printable(setting.netns),
               printable(entry.key.name()),
               or_dash(displayed(result, entry.found)),
               or_dash(displayed(result, result.have)),
               {state_of(result), shade(result, colour)},
               or_dash(entry.policy)});
  }
  const Counts counts = counts_of(report);
  std::string out = table.empty() ? std::string() : table.text();
  out += fmt::format("{} netns, {} settings: {} restored, {} changed by others, {} gone, {} failed", report.netns,
                     report.settings.size(), counts.restored, counts.changed_by_others, counts.gone, counts.failed);
  if (report.elsewhere > 0) out += fmt::format("; {} in absent netns", report.elsewhere);
  return out + '\n';
}

std::string restore_json(const RestoreReport& report) {
  const Counts counts = counts_of(report);
  Json json{{"schema", 1},
            {"restored", counts.restored + counts.gone == report.settings.size()},
            {"totals",
             {{"netns", report.netns},
              {"settings", report.settings.size()},
              {"restored", counts.restored},
              {"changed_by_others", counts.changed_by_others},
              {"gone", counts.gone},
              {"failed", counts.failed},
              {"elsewhere", report.elsewhere}}},
            {"findings", Json::array()}};
  for (const RestoreReport::Setting& setting : report.settings) {
    const Restored& result = setting.result;
    const bool gone = result.kind == Restored::Kind::gone || result.kind == Restored::Kind::netns_gone;
    const bool unknown = gone || (result.kind == Restored::Kind::failed && result.have.empty());
    Json one{{"netns", printable(setting.netns)},
             {"policy", printable(result.entry.policy)},
             {"key", printable(result.entry.key.name())},
             {"found", printable(displayed(result, result.entry.found))},
             {"have", unknown ? Json(nullptr) : Json(printable(displayed(result, result.have)))},
             {"state", to_string(result.kind)}};
    if (result.kind == Restored::Kind::failed) one["error"] = failure(result);
    json["findings"].push_back(std::move(one));
  }
  return line_of(json);
}

int restore_values(const Options& options, const LoadedConfig& configuration) {
  const InstanceLock lock({options.lock_file, options.audit}, netns_directories(options.config, configuration.config), remedy);
  return Restoration(options, configuration).run();
}

void keep_overwritten(const Options& options, const PolicySet& policies, const std::vector<Report>& reports) {
  const auto overwrote = [](const Report& report) { return !report.overwritten.empty(); };
  if (std::none_of(reports.begin(), reports.end(), overwrote)) return;
  RestoreFile store(options.restore_file);
  auto loaded = store.load();
  bool all_recorded = true;
  for (const Report& report : reports) all_recorded = loaded.book.note(report, policies).empty() && all_recorded;
  if (!all_recorded) print_to_stderr("note: cannot restore all changes later: the restore book is full");
  const std::string problem = store.save(loaded.book);
  if (!problem.empty()) print_to_stderr(fmt::format("note: cannot restore changes later: {}", problem));
}

}  // namespace nswarden
