// SPDX-License-Identifier: Apache-2.0
// A policy as an entry of the list `policies` in YAML, for what prints whole files. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// Whole lines. A mode stands there only when it is not enforce, which is what a file without `mode:` means.
std::string policy_text(const PolicyConfig& policy);

/// `FIELD: TEXT` for one text, and a list for several; nothing for none.
std::string one_or_list(std::string_view indent, std::string_view field, const std::vector<std::string>& texts);

}  // namespace nswarden
