// SPDX-License-Identifier: Apache-2.0
// Texts as scalars of YAML, as yaml_tree.hpp reads them back. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace nswarden {

/// Plain where no reader of YAML could take it for anything but this text, else in double quotes, on one line. `text` is UTF-8.
std::string yaml_text(std::string_view text);

/// The same of the value of a sysctl, where a decimal number needs no quotes.
std::string yaml_value(std::string_view value);

}  // namespace nswarden
