// SPDX-License-Identifier: Apache-2.0
#include "cli/status_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace nswarden {
namespace {

/// No answer of ours goes deeper than five; nlohmann copies and writes nested values by recursion.
constexpr int deepest = 16;

/// Thrown within this file only.
class WrongAnswer : public std::runtime_error {
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
    if (depth > deepest) return true;
  }
  return false;
}

/// An object of the answer, and its name for complaints. Refers to what it was made from.
class Fields {
 public:
  Fields(const Json& json, std::string name) : json_(json), name_(std::move(name)) {
    if (!json_.is_object()) throw WrongAnswer(fmt::format("{} is no object", name_.empty() ? "it" : name_));
  }

  [[nodiscard]] bool has(const char* field) const { return json_.contains(field) && !json_[field].is_null(); }

  [[nodiscard]] std::string text(const char* field) const {
    const Json& value = at(field);
    if (!value.is_string()) wrong(field, "text");
    return value.get<std::string>();
  }
  [[nodiscard]] std::string text_or_none(const char* field) const { return has(field) ? text(field) : std::string(); }

  [[nodiscard]] bool truth(const char* field) const {
    const Json& value = at(field);
    if (!value.is_boolean()) wrong(field, "true or false");
    return value.get<bool>();
  }

  [[nodiscard]] std::size_t count(const char* field) const {
    const Json& value = at(field);
    if (!value.is_number_unsigned()) wrong(field, "count");
    return value.get<std::size_t>();
  }

  [[nodiscard]] double time(const char* field) const {
    const Json& value = at(field);
    if (!value.is_number() || !std::isfinite(value.get<double>())) wrong(field, "time");
    return value.get<double>();
  }

  [[nodiscard]] Fields object(const char* field) const { return {at(field), path(field)}; }

  /// read(Fields) of each element.
  template <class Read>
  [[nodiscard]] auto list(const char* field, Read read) const {
    const Json& values = at(field);
    if (!values.is_array()) wrong(field, "list");
    std::vector<decltype(read(*this))> out;
    out.reserve(values.size());
    for (const Json& value : values) out.push_back(read(Fields(value, fmt::format("{}[{}]", path(field), out.size()))));
    return out;
  }

 private:
  [[nodiscard]] std::string path(const char* field) const { return name_.empty() ? field : fmt::format("{}.{}", name_, field); }
  [[nodiscard]] const Json& at(const char* field) const {
    const auto found = json_.find(field);
    if (found == json_.end()) throw WrongAnswer(fmt::format("{} is missing", path(field)));
    return *found;
  }
  [[noreturn]] void wrong(const char* field, const char* what) const {
    throw WrongAnswer(fmt::format("{} is no {}", path(field), what));
  }

  const Json& json_;
  std::string name_;
};

Writer writer_in(const Fields& fields) {
  Writer writer;
  if (fields.has("pid")) {
    const std::size_t pid = fields.count("pid");
    // Greater ones there are none.
    writer.pid = static_cast<decltype(writer.pid)>(std::min<std::size_t>(pid, 0x7FFFFFFF));
  }
  writer.comm = fields.text_or_none("comm");
  writer.exe = fields.text_or_none("exe");
  writer.container = fields.text_or_none("container");
  writer.unit = fields.text_or_none("unit");
  return writer;
}

/// What findings and events have in common; all of it may be absent from an event.
StatusFinding shared_fields(const Fields& fields) {
  StatusFinding finding;
  finding.netns = fields.text_or_none("netns");
  finding.policy = fields.text_or_none("policy");
  finding.key = fields.text_or_none("key");
  finding.want = fields.text_or_none("want");
  finding.have = fields.text_or_none("have");
  finding.state = fields.text_or_none("state");
  finding.reason = fields.text_or_none("reason");
  finding.error = fields.text_or_none("error");
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
  StatusEvent event;
  event.time = fields.time("time");
  event.what = fields.text("event");
  event.finding = shared_fields(fields);
  event.source = fields.text_or_none("source");
  if (fields.has("retry_in_seconds")) event.retry_in_seconds = fields.count("retry_in_seconds");
  return event;
}

SourceSnapshot source_in(const Fields& fields) {
  return {fields.text("name"), fields.truth("up"), fields.text_or_none("reason")};
}

PolicySnapshot policy_in(const Fields& fields) {
  PolicySnapshot policy;
  policy.name = fields.text("name");
  policy.netns = fields.count("netns");
  policy.settings = fields.count("settings");
  policy.drifted = fields.count("drifted");
  policy.suspended = fields.count("suspended");
  policy.conflicts = fields.count("conflicts");
  policy.enforcing = fields.text("mode") == "enforce";
  return policy;
}

ConfigSnapshot config_in(const Fields& fields) {
  ConfigSnapshot config;
  config.source = fields.text("source");
  config.hash = fields.text("sha256");
  config.loaded_seconds = fields.time("loaded");
  config.error = fields.text_or_none("error");
  if (fields.has("failed")) config.failed_seconds = fields.time("failed");
  config.audit = fields.truth("audit");
  return config;
}

Totals totals_in(const Fields& fields) {
  Totals totals;
  totals.netns = fields.count("netns");
  totals.settings = fields.count("settings");
  totals.compliant = fields.count("compliant");
  totals.drifted = fields.count("drifted");
  totals.missing = fields.count("missing");
  totals.unreadable = fields.count("unreadable");
  totals.fixed = fields.count("fixed");
  totals.failed = fields.count("failed");
  if (totals.settings != totals.compliant + totals.drifted + totals.missing + totals.unreadable) {
    throw WrongAnswer("totals do not add up");
  }
  return totals;
}

void check_schema(const Fields& fields) {
  const std::size_t schema = fields.count("schema");
  if (schema != 1)
    throw WrongAnswer(fmt::format("it has schema {}, and this nswarden reads schema 1; use that of the daemon", schema));
}

StatusDocument document_in(const Fields& fields) {
  check_schema(fields);
  StatusDocument document;
  document.ready = fields.truth("ready");
  document.totals = totals_in(fields.object("totals"));
  document.findings = fields.list("findings", finding_in);
  document.findings_hidden = fields.count("findings_hidden");
  document.last_reconcile = fields.time("last_reconcile");
  document.sources = fields.list("sources", source_in);
  document.unlisted = fields.list("unlisted", source_in);
  document.policies = fields.list("policies", policy_in);
  document.config = config_in(fields.object("config"));
  return document;
}

}  // namespace

std::variant<Json, Problem> parse_answer(std::string_view text) {
  if (is_too_deep(text)) return Problem{{}, "it is nested too deeply"};
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Problem{{}, "it is no JSON"};
  return json;
}

std::variant<StatusDocument, Problem> status_of(const Json& answer) {
  try {
    return document_in(Fields(answer, {}));
  } catch (const WrongAnswer& wrong) {
    return Problem{{}, wrong.what()};
  }
}

std::variant<std::vector<StatusEvent>, Problem> events_of(const Json& answer) {
  try {
    const Fields fields(answer, {});
    check_schema(fields);
    return fields.list("events", event_in);
  } catch (const WrongAnswer& wrong) {
    return Problem{{}, wrong.what()};
  }
}

}  // namespace nswarden
