// SPDX-License-Identifier: Apache-2.0
// HttpResponse parses, incrementally, one response of an HTTP/1 server that closes its connection afterwards. It treats the
// data as untrusted: it limits sizes and rejects truncated or ambiguous responses and encodings that were not requested.
// Pure, one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

class HttpResponse {
 public:
  static constexpr std::size_t max_head_bytes = std::size_t{64} * 1024;

  explicit HttpResponse(std::size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  /// Must not be called after done().
  void feed(std::string_view bytes);
  /// Signals that the server closed the connection.
  void end();

  /// Whether the response is complete or rejected.
  [[nodiscard]] bool done() const { return done_; }
  /// Why the response was rejected, one line; empty otherwise.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string& body() { return body_; }

 private:
  void refuse(std::string problem);
  void read_head(std::string_view head);
  void read_header(std::string_view line);
  void read_length(std::string_view value);
  void check_body();

  std::size_t max_body_bytes_;
  std::string head_;
  std::string body_;
  std::string problem_;
  std::optional<std::size_t> length_;
  int status_ = 0;
  bool in_body_ = false;
  bool done_ = false;
};

}  // namespace nswarden
