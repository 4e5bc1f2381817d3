// SPDX-License-Identifier: Apache-2.0
// The part of a URL after its question mark, as HTML forms write it. Takes any bytes and refuses none: a code that is none stands
// for itself. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace nswarden {

/// The decoded value of a parameter: of the last one of that name, empty when there is none.
std::string query_value(std::string_view query, std::string_view name);

/// For a value in a query: all but letters, digits and `-._~` as `%NN`.
std::string query_encoded(std::string_view bytes);

/// The same for a path, whose slashes stay.
std::string path_encoded(std::string_view path);

}  // namespace nswarden
