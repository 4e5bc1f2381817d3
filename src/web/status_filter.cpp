// SPDX-License-Identifier: Apache-2.0
#include "web/status_filter.hpp"

#include <nswarden/base/text.hpp>

#include "web/filter.hpp"

namespace nswarden {
namespace {

/// printable() makes no name shorter.
bool is_wanted(const std::string& wanted, const std::string& name) {
  return wanted.empty() || (name.size() <= wanted.size() && printable(name) == wanted);
}

}  // namespace

Filter Filter::of_query(std::string_view query) {
  return {printed_text(query_value(query, "netns")), printed_text(query_value(query, "policy"))};
}

bool Filter::takes(const Finding& finding) const {
  return is_wanted(netns, finding.netns) && is_wanted(policy, finding.policy);
}

std::string netns_link(std::string_view name) { return "/?netns=" + query_encoded(printable(name)); }

std::string policy_link(std::string_view name) { return "/?policy=" + query_encoded(printable(name)); }

}  // namespace nswarden
