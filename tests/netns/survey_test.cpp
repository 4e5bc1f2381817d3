// SPDX-License-Identifier: Apache-2.0
// Compares every file below /proc/sys/net of the running kernel with the table of keys (key_traits.hpp). On a series that was
// never booted for the table, differences are printed and do not fail the test (kernel fact 30).
#include <nswarden/policy/key_traits.hpp>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/policy/key.hpp>
#include <nswarden/policy/value.hpp>
#include "catch.hpp"
#include "kernel.hpp"
#include "private_netns.hpp"
#include "survey.hpp"

namespace nswarden {
namespace {

using test::Survey;
using test::survey_here;
using test::survey_of;
using test::words_of;

/// In a container, the home netns may also be a child.
bool home_is_first(const Survey& home) { return home.count("core/netdev_max_backlog") != 0; }

void check_none(const std::vector<std::string>& differences) {
  constexpr std::array<KernelVersion, 5> surveyed{{{5, 10}, {6, 1}, {6, 12}, {6, 18}, {7, 3}}};
  std::string all;
  for (const std::string& difference : differences) all += "\n  " + difference;
  if (std::find(surveyed.begin(), surveyed.end(), test::running_kernel()) != surveyed.end()) {
    INFO("different from the table:" << all);
    CHECK(differences.empty());
  } else if (!differences.empty()) {
    WARN("different from the table, which was never compared with this series:" << all);
  }
}

bool is_integer(const std::string& word) {
  const std::size_t sign = word.starts_with('-') ? 1 : 0;
  return word.size() > sign && word.find_first_not_of("0123456789", sign) == std::string::npos;
}

enum class Side { first, child };

mode_t mode_by_table(const KeyTraits& traits, Side side) {
  if (traits.write_only) return 0200;
  if (traits.secret) return 0600;
  return traits.read_only || (traits.read_only_in_child && side == Side::child) ? 0444 : 0644;
}

std::string octal(mode_t mode) {
  std::ostringstream out;
  out << std::oct << mode;
  return out.str();
}

TEST_CASE("every file has the mode that the table says, at home and in a child netns, and the secrets have 0600") {
  const test::TestNetns netns;
  const Survey home = survey_here();
  std::vector<std::string> differences;
  const auto compare = [&](const Survey& survey, Side side) {
    for (const auto& [path, entry] : survey) {
      const KeyTraits traits = traits_of(path);
      CAPTURE(path);
      CHECK(traits.secret == (entry.mode == 0600));
      CHECK(traits.write_only == (entry.mode == 0200));
      const mode_t wanted = mode_by_table(traits, side);
      if (entry.mode != wanted) differences.push_back(path + " has mode " + octal(entry.mode) + ", not " + octal(wanted));
    }
  };
  compare(survey_of(netns), Side::child);
  compare(home, home_is_first(home) ? Side::first : Side::child);
  check_none(differences);
}

TEST_CASE("the table says which keys of the first netns a child lacks, and no others (kernel fact 30)") {
  const test::TestNetns netns;
  const Survey home = survey_here();
  if (!home_is_first(home)) {
    WARN("skipped: the home netns is not the first one here");
    return;
  }
  const Survey child = survey_of(netns);
  std::vector<std::string> differences;
  for (const auto& [path, entry] : home) {
    const Key key = *Key::at(path);
    if (key.names_interface() && key.interface() != "lo") continue;
    const bool is_lacking = child.count(path) == 0;
    const KeyTraits traits = traits_of(path);
    if ((traits.host_only || test::running_kernel() < traits.host_only_before) != is_lacking) {
      differences.push_back(path + (is_lacking ? " is not in a child" : " is in a child"));
    }
  }
  for (const auto& [path, entry] : child) {
    if (home.count(path) == 0) differences.push_back(path + " is only in a child");
  }
  check_none(differences);
}

TEST_CASE("every key prints as many numbers as the table says, and what it prints could be wanted of it") {
  const test::TestNetns netns;
  std::vector<std::string> unknown;
  const auto compare = [&](const Survey& survey) {
    for (const auto& [path, entry] : survey) {
      const KeyTraits traits = traits_of(path);
      const auto value = entry.read();
      if (!value || value == "\n" || traits.write_only) continue;
      const std::vector<std::string> words = words_of(*value);
      const bool all_integers = std::all_of(words.begin(), words.end(), is_integer);
      CAPTURE(path, words.size());
      if (traits.numbers != 0) CHECK((all_integers && words.size() == traits.numbers));
      if (all_integers && words.size() > 1) CHECK(traits.numbers == words.size());
      if (all_integers && traits.form == ValueForm::words)
        unknown.push_back(path + " is a number of which the table knows nothing");
      CHECK(value_problem(normalised(*value), traits).value_or("") == "");
    }
  };
  compare(survey_of(netns));
  compare(survey_here());
  check_none(unknown);
}

}  // namespace
}  // namespace nswarden
