// SPDX-License-Identifier: Apache-2.0
// The lines in which a book of what was found is kept in a file; for RestoreBook alone. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nswarden {

class RestoreText {
 public:
  using Fields = std::array<std::string, 5>;

  explicit RestoreText(std::string_view boot);
  void add(const Fields& fields);
  /// The whole text.
  [[nodiscard]] std::string end() &&;

  struct Content {
    std::string boot;
    std::vector<std::string_view> lines;  ///< of entries, without their newlines
  };
  /// The string is why it is refused.
  static std::variant<Content, std::string> read(std::string_view text);
  /// None when these are not what add() makes.
  static std::optional<Fields> fields_of(std::string_view line);

 private:
  std::string text_;
  std::size_t lines_ = 0;
};

}  // namespace nswarden
