// SPDX-License-Identifier: Apache-2.0
#include "web/gzip.hpp"

#include <strings.h>
#include <zlib.h>

#include <memory>
#include <new>
#include <stdexcept>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view next_part(std::string_view& rest, char separator) { return trimmed(take_until(rest, separator)); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Whether parameters such as `q=0.5` accept the coding.
bool acceptable(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = next_part(parameters, ';');
    if (parameter.size() >= 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=') {
      // A weight is either zero (0, 0.0, ...) or contains a nonzero digit.
      return parameter.find_first_of("123456789", 2) != std::string_view::npos;
    }
  }
  return true;
}

}  // namespace

bool wants_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view parameters = next_part(accept_encoding, ',');
    const std::string_view coding = next_part(parameters, ';');
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) return acceptable(parameters);
    if (coding == "*") any = acceptable(parameters);
  }
  return any;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  constexpr int gzip_format = 16;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + gzip_format, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();  // its only error
  }
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> end(&stream, &deflateEnd);
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  // zlib does not write through next_in; its older headers lack the const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  if (result != Z_STREAM_END) throw std::runtime_error("zlib: cannot compress");
  return packed;
}

}  // namespace nswarden
