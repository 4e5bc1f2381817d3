// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/policy_review.hpp>

#include <chrono>

#include "catch.hpp"

using namespace nswarden;
using namespace std::chrono_literals;

namespace {
using All = std::vector<Useless>;
}

TEST_CASE("a policy that matches nothing is told after an hour, once, and again when it has been of use between") {
  PolicyReview review;
  const Useless idle{"a", {}};
  const Time start{1h};
  CHECK(review.look({idle}, start).empty());
  CHECK(review.look({idle}, start + 59min).empty());
  CHECK(review.look({idle}, start + 60min) == All{idle});
  CHECK(review.look({idle}, start + 61min).empty());
  CHECK(review.look({}, start + 62min).empty());
  CHECK(review.look({idle}, start + 63min).empty());
  CHECK(review.look({idle}, start + 123min) == All{idle});
}

TEST_CASE("a key that no netns has is told at once, and once") {
  PolicyReview review;
  const Useless missing{"a", "net.ipv4.x"};
  CHECK(review.look({missing, {"b", {}}}, Time{1h}) == All{missing});
  CHECK(review.look({missing}, Time{2h}).empty());
}
