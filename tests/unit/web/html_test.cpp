// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "web/html.hpp"
#include "web/status_page.hpp"

namespace {

using namespace nswarden;

double channel(const std::string& colour, std::size_t at) {
  const double value = std::stoi(colour.substr(at, 2), nullptr, 16) / 255.0;
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

/// Relative luminance of `#rrggbb` by WCAG 2.
double luminance(const std::string& colour) {
  return 0.2126 * channel(colour, 1) + 0.7152 * channel(colour, 3) + 0.0722 * channel(colour, 5);
}

double contrast(const std::string& one, const std::string& other) {
  const double a = luminance(one);
  const double b = luminance(other);
  return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

std::string colour(std::string_view style, std::string_view name) {
  const std::string start = "--" + std::string(name) + ": #";
  const std::size_t at = style.find(start);
  REQUIRE(at != std::string_view::npos);
  return std::string(style.substr(at + start.size() - 1, 7));
}

}  // namespace

TEST_CASE("every colour of text has a contrast of 4.5 to what it stands on, in both modes") {
  const std::string_view style = status_style;
  const std::size_t dark = style.find("prefers-color-scheme: dark");
  REQUIRE(dark != std::string_view::npos);
  for (const std::string_view mode : {style.substr(0, dark), style.substr(dark)}) {
    for (const char* text : {"ink", "dim", "link"}) {
      for (const char* ground : {"page", "card", "good-card", "bad-card", "warn-card"}) {
        INFO(text << " on " << ground);
        CHECK(contrast(colour(mode, text), colour(mode, ground)) >= 4.5);
      }
    }
    for (const std::string severity : {"good", "bad", "warn"}) {
      INFO(severity);
      CHECK(contrast(colour(mode, severity), colour(mode, severity + "-card")) >= 4.5);
    }
  }
  CHECK(std::abs(contrast("#ffffff", "#000000") - 21) < 0.001);
}

TEST_CASE("times are UTC, and what is no time of ours is bent to one") {
  CHECK(utc_text(1764253825.5) == "2025-11-27T14:30:25.500Z");
  CHECK(utc_text(0) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(951827696.0) == "2000-02-29T12:34:56.000Z");
  CHECK(utc_text(-5) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(std::numeric_limits<double>::quiet_NaN()) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(std::numeric_limits<double>::infinity()) == "9999-12-31T23:59:59.000Z");
  CHECK(age_text(-3) == "0 s");
  CHECK(age_text(59.9) == "59 s");
  CHECK(age_text(60) == "1 min");
  CHECK(age_text(3600 * 5 + 60 * 20 + 1) == "5 h 20 min");
  CHECK(age_text(86400 * 3 + 3600 * 4) == "3 d 4 h");
  CHECK(age_text(std::numeric_limits<double>::infinity()).ends_with(" h"));
}
