// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/policy_review.hpp>

#include <chrono>

#include "catch.hpp"

using namespace nswarden;
using namespace std::chrono_literals;

namespace {
using All = std::vector<UnusedPart>;
}

TEST_CASE("a policy that matches nothing is told after an hour, once, and again when it has been of use between") {
  PolicyReview review;
  const UnusedPart idle{"a", {}};
  const Time start{1h};
  CHECK(review.newly_unused({idle}, start).empty());
  CHECK(review.newly_unused({idle}, start + 59min).empty());
  CHECK(review.newly_unused({idle}, start + 60min) == All{idle});
  CHECK(review.newly_unused({idle}, start + 61min).empty());
  CHECK(review.newly_unused({}, start + 62min).empty());
  CHECK(review.newly_unused({idle}, start + 63min).empty());
  CHECK(review.newly_unused({idle}, start + 123min) == All{idle});
}

TEST_CASE("a key that no netns has is told at once, and once") {
  PolicyReview review;
  const UnusedPart missing{"a", "net.ipv4.x"};
  CHECK(review.newly_unused({missing, {"b", {}}}, Time{1h}) == All{missing});
  CHECK(review.newly_unused({missing}, Time{2h}).empty());
}
