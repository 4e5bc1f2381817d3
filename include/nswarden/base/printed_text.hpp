// SPDX-License-Identifier: Apache-2.0
// Text that may have passed printable() already, such as a name in a URL or in an answer of the API. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace nswarden {

/// printable(), but for backslashes, which stand for escapes already: a printable text stays as it is.
std::string printed_text(std::string_view text);

}  // namespace nswarden
