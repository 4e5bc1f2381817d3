// SPDX-License-Identifier: Apache-2.0
#include "daemon/write_events.hpp"

#include "catch.hpp"

using nswarden::Pace;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
const Pace::Time begin{std::chrono::hours(1)};
}  // namespace

TEST_CASE("useless work that comes now and then costs no rest") {
  Pace pace;
  for (int i = 0; i < 1000; ++i) CHECK(pace.rest_after(microseconds(50), begin + i * milliseconds(10)) == milliseconds(0));
}

TEST_CASE("useless work without end gets a hundredth of the time, with what waking up costs") {
  Pace pace;
  Pace::Time now = begin;
  Pace::Duration worked{0};
  while (now < begin + seconds(10)) {
    now += microseconds(20);
    worked += microseconds(20) + Pace::wake_up;
    const Pace::Duration rest = pace.rest_after(microseconds(20), now);
    CHECK(rest <= Pace::longest_rest);
    now += rest;
  }
  CHECK(worked <= Pace::free + (now - begin) / 99);
  CHECK(worked >= (now - begin) / 101);
}

TEST_CASE("no rest is longer than the longest, whatever one look has cost") {
  Pace pace;
  CHECK(pace.rest_after(seconds(1), begin) == Pace::longest_rest);
  CHECK(pace.rest_after(microseconds(1), begin + seconds(1)) == milliseconds(0));
}
