// SPDX-License-Identifier: Apache-2.0
// A JSON Schema of the native form, for editors: what fields there are, what they mean, and how their values look. It knows less
// than parse_config() does, which also judges keys, patterns and values. Pure, any thread.
#pragma once

#include <string>

namespace nswarden {

/// Draft 07, with a newline at its end.
std::string config_schema();

}  // namespace nswarden
