// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/printed_text.hpp>

#include <algorithm>

#include <nswarden/base/text.hpp>

namespace nswarden {

std::string printed_text(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = std::min(text.find('\\'), text.size());
    out += printable(text.substr(0, end));
    if (end == text.size()) return out;
    out += '\\';
    text.remove_prefix(end + 1);
  }
}

}  // namespace nswarden
