// SPDX-License-Identifier: Apache-2.0
#include "cli/http_response.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::string_view no_http = "not HTTP";

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Parses `HTTP/1.1 200 OK` to 200.
std::optional<int> status_code_in(std::string_view line) {
  const bool http1 = line.starts_with("HTTP/1.0 ") || line.starts_with("HTTP/1.1 ");
  if (!http1 || line.size() < 12 || (line.size() > 12 && line[12] != ' ')) return std::nullopt;
  const auto status = parse_number<int>(line.substr(9, 3));
  // 1xx precedes a response, and only for clients that requested it.
  return status && *status >= 200 && *status <= 599 ? status : std::nullopt;
}

}  // namespace

void HttpResponse::refuse(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  done_ = true;
}

void HttpResponse::feed(std::string_view bytes) {
  if (in_body_) {
    body_ += bytes;
    check_body();
    return;
  }
  const std::size_t before = head_.size();
  head_ += bytes;
  // Fails early on bytes that cannot start a status line.
  constexpr std::string_view start = "HTTP/1.";
  const std::string_view first = start.substr(0, head_.size());
  if (!head_.starts_with(first)) return refuse(std::string(no_http));
  const std::size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  // Independent of how the bytes are split: an incomplete head may already end with three of the four bytes of its
  // terminator.
  if (std::min(end, head_.size() - std::min<std::size_t>(head_.size(), 3)) > max_head_bytes)
    return refuse("the response head is too long");
  if (end == std::string::npos) return;
  in_body_ = true;
  body_ = head_.substr(end + 4);
  head_.resize(end);
  read_head(head_);
  if (!done_) check_body();
}

void HttpResponse::end() {
  if (done_) return;
  if (!in_body_) return refuse(head_.empty() ? "connection closed without a response" : "the response is incomplete");
  if (length_) return refuse(fmt::format("the response is incomplete: {} of {} bytes", body_.size(), *length_));
  done_ = true;
}

void HttpResponse::read_head(std::string_view head) {
  std::size_t end = std::min(head.find("\r\n"), head.size());
  const auto status = status_code_in(head.substr(0, end));
  if (!status) return refuse(std::string(no_http));
  status_ = *status;
  while (end < head.size() && !done_) {
    head.remove_prefix(end + 2);
    end = std::min(head.find("\r\n"), head.size());
    read_header(head.substr(0, end));
  }
  if (status_ == 204 || status_ == 304) length_ = 0;
}

void HttpResponse::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return refuse(std::string(no_http));
  const std::string name = ascii_lower(line.substr(0, colon));
  const std::string_view value = without_blanks(line.substr(colon + 1));
  if (name == "content-length") return read_length(value);
  const bool encoding = name == "transfer-encoding" || name == "content-encoding";
  if (encoding && ascii_lower(value) != "identity") {
    refuse(fmt::format("the response has an encoding that was not requested ({}); use the URL of the daemon, not of a proxy",
                       excerpt(value)));
  }
}

void HttpResponse::read_length(std::string_view value) {
  const auto length = parse_number<std::size_t>(value);
  if (!length || (length_ && *length_ != *length)) return refuse("invalid Content-Length");
  length_ = length;
}

void HttpResponse::check_body() {
  if (length_.value_or(body_.size()) > max_body_bytes_) {
    return refuse(fmt::format("the response has more than {} bytes", max_body_bytes_));
  }
  if (!length_ || body_.size() < *length_) return;
  body_.resize(*length_);  // excess bytes are not part of the body
  done_ = true;
}

}  // namespace nswarden
