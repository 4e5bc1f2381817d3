// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/damping.hpp>

#include "catch.hpp"

using namespace nswarden;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr DampingRules rules;

struct Fight {
  Damping damping;
  Time now{std::chrono::hours(1)};
  int repairs = 0;
  int suspensions = 0;

  /// Another process changes the setting; the change is seen immediately and repaired if permitted.
  void attack() {
    suspensions += damping.found_drifted(now, rules) ? 1 : 0;
    if (!damping.may_write(now)) return;
    ++repairs;
    damping.repaired(now, rules);
    (void)damping.found_compliant(now, rules);
  }
};

}  // namespace

TEST_CASE("a budget of repairs is free, the next one is not made") {
  Fight fight;
  for (int i = 0; i < 10; ++i) fight.attack();
  CHECK(fight.repairs == 5);
  CHECK(fight.suspensions == 1);
  CHECK(fight.damping.suspended());
  CHECK(fight.damping.delay() == seconds(1));
  CHECK(fight.damping.due(rules) == fight.now + seconds(1));
}

TEST_CASE("drift that comes now and then is always repaired") {
  Fight fight;
  for (int i = 0; i < 1000; ++i) {
    fight.attack();
    fight.now += milliseconds(2001);
  }
  CHECK(fight.repairs == 1000);
  CHECK(fight.suspensions == 0);
}

TEST_CASE("an opponent that never rests is answered at most once a second, then ever more seldom, to once in five minutes") {
  Fight fight;
  for (int i = 0; i < 10; ++i) fight.attack();
  Time last = fight.now;
  seconds longest{0};
  for (int i = 0; i < 3600 * 10; ++i) {
    fight.now += milliseconds(100);
    const int before = fight.repairs;
    fight.attack();
    if (fight.repairs == before) continue;
    CHECK(fight.now - last >= seconds(1));
    longest = std::max(longest, std::chrono::duration_cast<seconds>(fight.now - last));
    last = fight.now;
  }
  CHECK(longest == seconds(300));
  CHECK(fight.repairs < 5 + 25);
  CHECK(fight.suspensions == 1);
}

TEST_CASE("what has been right for as long as the last pause, and no less than the budget's time, is suspended no longer") {
  Fight fight;
  for (int i = 0; i < 6; ++i) fight.attack();
  fight.now += seconds(1);
  fight.attack();
  const Time calm = fight.now + seconds(10);
  CHECK(fight.damping.due(rules) == calm);
  fight.now = calm - milliseconds(1);
  CHECK_FALSE(fight.damping.found_compliant(fight.now, rules));
  fight.now = calm;
  CHECK(fight.damping.found_compliant(fight.now, rules));
  CHECK_FALSE(fight.damping.suspended());
  fight.attack();
  CHECK(fight.repairs == 7);
}

TEST_CASE("a drift during the rest begins the rest anew") {
  Fight fight;
  for (int i = 0; i < 6; ++i) fight.attack();
  fight.now += seconds(1);
  fight.attack();
  fight.now += seconds(9);
  fight.attack();
  CHECK(fight.damping.suspended());
  CHECK_FALSE(fight.damping.found_compliant(fight.now + seconds(9), rules));
  CHECK(fight.damping.found_compliant(fight.now + seconds(10), rules));
}
