// SPDX-License-Identifier: Apache-2.0
#include "cli/status_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace nswarden {
namespace {

/// The daemon nests at most five levels; nlohmann copies and writes nested values recursively.
constexpr int max_depth = 16;

/// Thrown only within this file.
class InvalidResponse : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') ++i;
    if (c == '"') in_string = !in_string;
    if (in_string) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > max_depth) return true;
  }
  return false;
}

/// An object of the response, and its name for error messages. Refers to the parsed document.
class Fields {
 public:
  Fields(const Json& json, std::string name) : json_(json), name_(std::move(name)) {
    if (!json_.is_object()) throw InvalidResponse(fmt::format("{} is not an object", name_.empty() ? "it" : name_));
  }

  [[nodiscard]] bool has(const char* field) const { return json_.contains(field) && !json_[field].is_null(); }

  [[nodiscard]] std::string text(const char* field) const {
    const Json& value = at(field);
    if (!value.is_string()) refuse(field, "text");
    return value.get<std::string>();
  }
  [[nodiscard]] std::string text_or_empty(const char* field) const { return has(field) ? text(field) : std::string(); }
  void texts_or_empty(std::initializer_list<std::pair<const char*, std::string&>> wanted) const {
    for (const auto& [field, to] : wanted) to = text_or_empty(field);
  }

  [[nodiscard]] bool boolean(const char* field) const {
    const Json& value = at(field);
    if (!value.is_boolean()) refuse(field, "true or false");
    return value.get<bool>();
  }

  [[nodiscard]] std::size_t count(const char* field) const {
    const Json& value = at(field);
    if (!value.is_number_unsigned()) refuse(field, "a count");
    return value.get<std::size_t>();
  }
  [[nodiscard]] std::size_t count_or_zero(const char* field) const { return has(field) ? count(field) : 0; }

  [[nodiscard]] double time(const char* field) const {
    const Json& value = at(field);
    if (!value.is_number() || !std::isfinite(value.get<double>())) refuse(field, "a time");
    return value.get<double>();
  }

  [[nodiscard]] Fields object(const char* field) const { return {at(field), path(field)}; }

  /// Calls read(Fields) on each element.
  template <class Read>
  [[nodiscard]] auto list(const char* field, Read read) const {
    const Json& values = at(field);
    if (!values.is_array()) refuse(field, "a list");
    std::vector<decltype(read(*this))> out;
    out.reserve(values.size());
    for (const Json& value : values) out.push_back(read(Fields(value, fmt::format("{}[{}]", path(field), out.size()))));
    return out;
  }

 private:
  [[nodiscard]] std::string path(const char* field) const { return name_.empty() ? field : fmt::format("{}.{}", name_, field); }
  [[nodiscard]] const Json& at(const char* field) const {
    const auto found = json_.find(field);
    if (found == json_.end()) throw InvalidResponse(fmt::format("{} is missing", path(field)));
    return *found;
  }
  [[noreturn]] void refuse(const char* field, const char* expected) const {
    throw InvalidResponse(fmt::format("{} is not {}", path(field), expected));
  }

  const Json& json_;
  std::string name_;
};

Writer writer_in(const Fields& fields) {
  Writer writer;
  // Kernel pids are below this limit.
  writer.pid = static_cast<decltype(writer.pid)>(std::min<std::size_t>(fields.count_or_zero("pid"), 0x7FFFFFFF));
  fields.texts_or_empty({{"comm", writer.comm}, {"exe", writer.exe}, {"container", writer.container}, {"unit", writer.unit}});
  return writer;
}

/// Fields common to findings and events; each may be absent from an event.
StatusFinding shared_fields(const Fields& fields) {
  StatusFinding finding;
  fields.texts_or_empty({{"netns", finding.netns},
                         {"policy", finding.policy},
                         {"key", finding.key},
                         {"want", finding.want},
                         {"have", finding.have},
                         {"state", finding.state},
                         {"reason", finding.reason},
                         {"error", finding.error}});
  if (fields.has("writer")) finding.writer = writer_in(fields.object("writer"));
  return finding;
}

StatusFinding finding_in(const Fields& fields) {
  for (const char* field : {"netns", "policy", "key", "want", "state"}) (void)fields.text(field);
  StatusFinding finding = shared_fields(fields);
  finding.since = fields.time("since");
  return finding;
}

StatusEvent event_in(const Fields& fields) {
  return {.time = fields.time("time"),
          .kind = fields.text("event"),
          .finding = shared_fields(fields),
          .source = fields.text_or_empty("source"),
          .retry_in_seconds = fields.count_or_zero("retry_in_seconds")};
}

SourceSnapshot source_in(const Fields& fields) {
  return {fields.text("name"), fields.boolean("up"), fields.text_or_empty("reason")};
}

PolicySnapshot policy_in(const Fields& fields) {
  return {.name = fields.text("name"),
          .netns = fields.count("netns"),
          .settings = fields.count("settings"),
          .drifted = fields.count("drifted"),
          .suspended = fields.count("suspended"),
          .conflicts = fields.count("conflicts"),
          .enforcing = fields.text("mode") == "enforce"};
}

ConfigSnapshot config_in(const Fields& fields) {
  return {.source = fields.text("source"),
          .hash = fields.text("sha256"),
          .loaded_seconds = fields.time("loaded"),
          .error = fields.text_or_empty("error"),
          .failed_seconds = fields.has("failed") ? fields.time("failed") : 0,
          .audit = fields.boolean("audit")};
}

Totals totals_in(const Fields& fields) {
  const Totals totals{.netns = fields.count("netns"),
                      .settings = fields.count("settings"),
                      .compliant = fields.count("compliant"),
                      .drifted = fields.count("drifted"),
                      .missing = fields.count("missing"),
                      .unreadable = fields.count("unreadable"),
                      .fixed = fields.count("fixed"),
                      .failed = fields.count("failed")};
  if (totals.settings != totals.compliant + totals.drifted + totals.missing + totals.unreadable) {
    throw InvalidResponse("totals do not add up");
  }
  return totals;
}

void check_schema(const Fields& fields) {
  const std::size_t schema = fields.count("schema");
  if (schema != 1)
    throw InvalidResponse(fmt::format("it has schema {}, expected 1; use the nswarden program of the daemon", schema));
}

StatusDocument document_in(const Fields& fields) {
  check_schema(fields);
  return {.ready = fields.boolean("ready"),
          .totals = totals_in(fields.object("totals")),
          .findings = fields.list("findings", finding_in),
          .findings_hidden = fields.count("findings_hidden"),
          .last_reconcile = fields.time("last_reconcile"),
          .sources = fields.list("sources", source_in),
          .unlisted = fields.list("unlisted", source_in),
          .policies = fields.list("policies", policy_in),
          .config = config_in(fields.object("config"))};
}

std::vector<StatusEvent> event_list_in(const Fields& fields) {
  check_schema(fields);
  return fields.list("events", event_in);
}

/// Calls read(Fields) on the whole response.
template <class Read>
auto read_answer(const Json& answer, Read read) -> std::variant<decltype(read(Fields(answer, {}))), Problem> {
  try {
    return read(Fields(answer, {}));
  } catch (const InvalidResponse& problem) {
    return Problem{{}, problem.what()};
  }
}

}  // namespace

std::variant<Json, Problem> parse_answer(std::string_view text) {
  if (is_too_deep(text)) return Problem{{}, "it is nested too deeply"};
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Problem{{}, "not JSON"};
  return json;
}

std::variant<StatusDocument, Problem> status_of(const Json& answer) { return read_answer(answer, document_in); }

std::variant<std::vector<StatusEvent>, Problem> events_of(const Json& answer) { return read_answer(answer, event_list_in); }

}  // namespace nswarden
