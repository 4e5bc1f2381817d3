// SPDX-License-Identifier: Apache-2.0
// Result<T> holds a value, or an errno with the step that failed. Every call that may fail in the kernel returns one. It never
// throws and never allocates for the error; callers add the netns and the key. g++ 12 has no std::expected (kernel fact 37).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace nswarden {

/// `attempt` is static text that names the step, such as "setns" or "open sysctl".
struct Error {
  int code = 0;  ///< an errno value, never 0 in a returned error
  std::string_view attempt;
};

template <class T>
class [[nodiscard]] Result {
 public:
  // Both are implicit so that a function can just `return value;` or `return error;`.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, error) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// Precondition of the value accessors: ok().
  T& operator*() { return *std::get_if<0>(&state_); }
  const T& operator*() const { return *std::get_if<0>(&state_); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  /// Precondition: !ok().
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  Result(Error error) : error_(error) {}

  [[nodiscard]] bool ok() const { return error_.code == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
};

/// A place in the configuration; line and column count from 1.
struct Position {
  int line = 0;
  int column = 0;
  std::uint16_t file = 0;  ///< index into Config::files
};

struct Problem {
  Position position;    ///< unset for text that is not in a file
  std::string message;  ///< one line, ready to print: the problem and the remedy
};

}  // namespace nswarden
