// SPDX-License-Identifier: Apache-2.0
// The input of `nswarden status`: a URL up to the first newline, then the bytes that a server sends. It is either rejected
// with one line or parsed, and the output has no control sequences.
#include <string>
#include <variant>

#include <nswarden/base/text.hpp>
#include "cli/http_client.hpp"
#include "cli/http_response.hpp"
#include "cli/status_table.hpp"

#include "oracle.hpp"

using namespace nswarden;

namespace {

constexpr std::size_t max_body_bytes = 700;

void check_url(std::string_view text) {
  const auto parsed = parse_url(text);
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    fuzz::require(fuzz::is_one_line(problem->message), "a URL is refused by one line", text);
    return;
  }
  const auto& url = std::get<Url>(parsed);
  const std::string shown = url.display_text();
  fuzz::require(fuzz::is_one_line(shown) && shown.find_first_of(" @\\") == std::string::npos, "a URL is shown plainly", text);
  fuzz::require(fuzz::is_one_line(url.authority()) && url.port != 0 && !url.host.empty(), "a URL has a host and a port", text);
  fuzz::require(url.path.find_first_of(" \r\n") == std::string::npos, "a path cannot end a request line", text);
  const auto again = parse_url(shown);
  const auto* same = std::get_if<Url>(&again);
  fuzz::require(same != nullptr && same->display_text() == shown && same->credentials.empty(),
                "a shown URL leads to the same place", text);
}

HttpResponse response_of(std::string_view bytes, std::size_t part) {
  HttpResponse response(max_body_bytes);
  while (!response.done() && !bytes.empty()) {
    response.feed(bytes.substr(0, part));
    bytes.remove_prefix(std::min(part, bytes.size()));
  }
  if (!response.done()) response.end();
  return response;
}

/// Returns the body; empty if the response was rejected.
std::string check_response(std::string_view bytes) {
  HttpResponse whole = response_of(bytes, std::max<std::size_t>(bytes.size(), 1));
  HttpResponse drop_by_drop = response_of(bytes, 1);
  fuzz::require(whole.problem() == drop_by_drop.problem(), "it does not matter how bytes come", bytes);
  if (!whole.problem().empty()) {
    fuzz::require(fuzz::is_one_line(whole.problem()), "an answer is refused by one line", bytes);
    return {};
  }
  fuzz::require(whole.status() == drop_by_drop.status() && whole.body() == drop_by_drop.body(),
                "bytes are the same however they come", bytes);
  fuzz::require(whole.status() >= 200 && whole.status() < 600 && whole.body().size() <= max_body_bytes, "an answer is bounded",
                bytes);
  return whole.body();
}

void check_shown(const StatusView& view) {
  std::string_view rest;
  const std::string text = status_table(view, Colour::never);
  for (rest = text; !rest.empty();) {
    const std::string_view line = fuzz::next_part(rest, '\n');
    fuzz::require(line.empty() || fuzz::is_one_line(line), "what is printed moves nothing", line);
  }
  fuzz::require(printed_text(text.substr(0, text.find('\n'))) == text.substr(0, text.find('\n')), "what is safe stays as it is",
                text);
}

void check_document(std::string_view text) {
  const auto parsed = parse_answer(text);
  if (const auto* problem = std::get_if<Problem>(&parsed))
    return fuzz::require(fuzz::is_one_line(problem->message), "one line", text);
  const auto& json = std::get<Json>(parsed);
  StatusView view;
  view.now = 1795789980;
  const auto status = status_of(json);
  if (const auto* problem = std::get_if<Problem>(&status)) fuzz::require(fuzz::is_one_line(problem->message), "one line", text);
  if (const auto* document = std::get_if<StatusDocument>(&status)) view.status = *document;
  const auto events = events_of(json);
  if (const auto* problem = std::get_if<Problem>(&events)) fuzz::require(fuzz::is_one_line(problem->message), "one line", text);
  if (const auto* list = std::get_if<std::vector<StatusEvent>>(&events)) view.events = *list;
  check_shown(view);
  view.netns = {"q-1"};
  check_shown(view);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::input(data, size);
  check_url(fuzz::next_part(rest, '\n'));
  const std::string body = check_response(rest);
  check_document(body.empty() ? rest : std::string_view(body));
  return 0;
}
