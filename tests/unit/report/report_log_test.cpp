// SPDX-License-Identifier: Apache-2.0
#include <catch.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include <nswarden/report/log.hpp>
#include <nswarden/report/report_log.hpp>
#include "policy_words.hpp"
#include "shown.hpp"

namespace {

using namespace nswarden;
using Kind = Change::Kind;
using namespace std::chrono_literals;

constexpr std::uint64_t inode = 4026532001;

Config config() {
  Config result;
  result.policies.push_back(test::policy("routers", "^q", {test::setting("net.ipv4.ip_forward", "1")}));
  return result;
}

Change change(Kind kind, std::string have, State state) {
  Change result;
  result.kind = kind;
  result.finding.netns = "q-1";
  result.finding.policy = "routers";
  result.finding.key = "net.ipv4.ip_forward";
  result.finding.want = "1";
  result.finding.have = std::move(have);
  result.finding.state = state;
  return result;
}

Change drift() {
  Change result = change(Kind::drifted, "0", State::drifted);
  result.detected = true;
  return result;
}

Change repair() {
  Change result = change(Kind::repaired, "0", State::compliant);
  result.detected = true;
  result.attempted = true;
  return result;
}

Change suspension() {
  Change result = change(Kind::suspended, "0", State::drifted);
  result.detected = true;
  result.retry_in = 90s;
  return result;
}

Writer rival() {
  Writer writer;
  writer.pid = 70;
  writer.comm = "rival d";
  writer.exe = "/usr/bin/rival";
  writer.uid = 0;
  writer.cgroup = "/system.slice/rival.service";
  writer.unit = "rival.service";
  writer.time = 99.5;
  return writer;
}

/// An in-memory log; file 1 is setting 0 of the netns.
struct Site {
  Metrics metrics;
  Fd memory = test::memory_file();
  Log log{memory.get(), LogLevel::info, LogFormat::logfmt};
  SysctlFiles files;
  Writer writer = rival();
  Writers writers{files, [this](std::int64_t, const Fd&, double) { return writer; }};
  EventLog events;
  ReportLog reports{metrics, log, writers, events};
  PolicySet policies{config(), PolicySet::Audit::as_configured};
  Time now{1h};

  Site() { files.add(1, {inode, 0}); }

  /// Reports `change` after another process wrote file 1.
  void record_after_write(Source source, Change change) {
    SysctlWrite write;
    write.inode = 1;
    write.place = files.find(1);
    write.pid = 70;
    std::vector<SysctlWrite> writes;
    writes.push_back(std::move(write));
    writers.add_writes(std::move(writes), 99.5);
    record_change(source, std::move(change));
    writers.end_turn();
  }
  void record_change(Source source, Change change) {
    Report report;
    report.netns = "q-1";
    report.inode = inode;
    report.source = source;
    report.changes.push_back(std::move(change));
    reports.record(report, policies, now, 100.25);
  }
  void record_life(Report::Life life) {
    Report report;
    report.netns = "q-1";
    report.life = life;
    report.error = {EPERM, "setns"};
    reports.record(report, policies, now, 100.25);
  }

  /// Log lines without their time.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> found = test::lines_of(test::content(memory));
    for (std::string& line : found) line.erase(0, line.find(" level=") + 1);
    return found;
  }
  [[nodiscard]] std::string last_line() const {
    const auto all = lines();
    return all.empty() ? std::string() : all.back();
  }
  [[nodiscard]] std::string value_of(const std::string& series) const { return test::value_of(metrics.text({}), series); }
  [[nodiscard]] std::string written_by(const std::string& comm) const {
    return value_of("nswarden_drift_writers_total{comm=\"" + comm + "\"}");
  }
  [[nodiscard]] Event last_event() const { return *events.newest()->back(); }
};

const std::string setting = "netns=q-1 policy=routers key=net.ipv4.ip_forward";
const std::string by_rival =
    " writer=\"rival d\" writer_pid=70 writer_exe=/usr/bin/rival writer_uid=0 writer_unit=rival.service";

}  // namespace

TEST_CASE("a drift that the event of a write told of is logged, kept and counted with who wrote") {
  Site site;
  site.record_after_write(Source::event, drift());
  CHECK(site.last_line() == "level=warn msg=\"sysctl drifted\" " + setting + " have=0 want=1 source=event" + by_rival);
  CHECK(site.written_by("rival d") == "1");
  const Event event = site.last_event();
  CHECK(to_string(event.kind) == "drift");
  CHECK(event.time == 100.25);
  CHECK(event.finding.have == "0");
  CHECK(event.source == Source::event);
  REQUIRE(event.writer);
  CHECK(event.writer->pid == 70);
  CHECK(site.writers.last_writer("q-1", "net.ipv4.ip_forward") == event.writer);

  site.record_after_write(Source::event, repair());
  CHECK(site.last_line() == "level=info msg=\"sysctl repaired\" " + setting + " have=0 want=1 source=event" + by_rival);
  CHECK(site.written_by("rival d") == "2");
  CHECK(to_string(site.last_event().kind) == "repair");
  CHECK(site.last_event().writer);
}

TEST_CASE("a repair that failed names who made it needed, and why it failed") {
  Site site;
  Change failed = drift();
  failed.attempted = true;
  failed.outcome = Outcome::refused;
  failed.error = EROFS;
  site.record_after_write(Source::event, failed);
  CHECK(site.last_line() == "level=warn msg=\"sysctl not repaired\" " + setting +
                                " have=0 want=1 state=drifted outcome=refused error=\"Read-only file system\" source=event" +
                                by_rival);
  CHECK(to_string(site.last_event().kind) == "failure");
  CHECK(site.last_event().error == "Read-only file system");
  CHECK(site.last_event().writer);
}

TEST_CASE("only what is known of a writer is told, and its cgroup where nothing says it better") {
  Site site;
  site.writer = {};
  site.writer.pid = 70;
  site.writer.cgroup = "/user.slice";
  site.record_after_write(Source::event, drift());
  CHECK(site.last_line().ends_with("source=event writer_pid=70 writer_cgroup=/user.slice"));
  CHECK(site.written_by("unknown") == "1");

  site.writer = {};
  site.writer.comm = "sh";
  site.writer.cgroup = "/docker";
  site.writer.container = std::string(64, 'a');
  site.record_after_write(Source::event, drift());
  CHECK(site.last_line().ends_with("source=event writer=sh writer_container=" + std::string(64, 'a')));
}

TEST_CASE("a drift without a write to its file has no writer, and takes the name of the one before away") {
  for (const Source source : {Source::event, Source::reconcile}) {
    INFO(to_string(source));
    Site site;
    site.record_after_write(Source::event, drift());
    site.record_change(source, drift());
    CHECK(site.last_line().ends_with(" source=" + std::string(to_string(source))));
    CHECK_FALSE(site.last_event().writer);
    CHECK_FALSE(site.writers.last_writer("q-1", "net.ipv4.ip_forward"));
    CHECK(site.written_by("rival d") == "1");
    CHECK(site.written_by("unknown") == (source == Source::event ? "1" : "0"));
  }
}

TEST_CASE("what a sweep finds has no writer, whatever was written meanwhile") {
  Site site;
  site.record_after_write(Source::reconcile, drift());
  CHECK(site.last_line().ends_with(" source=reconcile"));
  CHECK_FALSE(site.last_event().writer);
}

TEST_CASE("another wrong value of a setting that was wrong already has its own writer, and is not counted again") {
  Site site;
  site.record_after_write(Source::event, drift());
  site.writer.comm = "second";
  Change other = drift();
  other.detected = false;
  site.record_after_write(Source::event, other);
  CHECK(site.last_line().find(" writer=second ") != std::string::npos);
  CHECK(site.writers.last_writer("q-1", "net.ipv4.ip_forward")->comm == "second");
  CHECK(site.written_by("second") == "absent");
  site.record_change(Source::reconcile, other);
  CHECK_FALSE(site.writers.last_writer("q-1", "net.ipv4.ip_forward"));
}

TEST_CASE("a sweep that fails to repair leaves the name of who made the drift") {
  Site site;
  site.record_after_write(Source::event, drift());
  Change failed = change(Kind::not_repaired, "0", State::drifted);
  failed.attempted = true;
  failed.outcome = Outcome::failed;
  site.record_change(Source::reconcile, failed);
  CHECK(site.writers.last_writer("q-1", "net.ipv4.ip_forward"));
  CHECK(site.last_event().error == "the value read back differs from the one written");
}

TEST_CASE("a setting that is fought over names the opponent, also where others have used up the lines of that setting") {
  Site site;
  for (std::size_t i = 0; i < 2 * LineLimiter::burst; ++i) site.record_after_write(Source::event, repair());
  REQUIRE(site.lines().size() == LineLimiter::burst);
  Change later = suspension();
  later.detected = false;
  site.record_change(Source::reconcile, later);
  CHECK(site.last_line() == "level=warn msg=\"sysctl suspended: another process keeps overwriting it\" " + setting +
                                " have=0 want=1 retry_in=90s" + by_rival);
  CHECK(to_string(site.last_event().kind) == "suspend");
  CHECK(site.last_event().retry_in == 90s);
  CHECK(site.last_event().writer);
  site.record_change(Source::reconcile, change(Kind::calmed, "1", State::compliant));
  CHECK(site.last_line() == "level=info msg=\"sysctl no longer contended, repair resumed\" " + setting + " want=1");
  CHECK(to_string(site.last_event().kind) == "calm");
  CHECK_FALSE(site.last_event().writer);
}

TEST_CASE("a drift that nobody was seen to make blames none of before, also when it is suspended for it") {
  Site site;
  site.record_after_write(Source::event, repair());
  site.record_change(Source::reconcile, suspension());
  CHECK(site.last_line().ends_with(" retry_in=90s"));
  CHECK_FALSE(site.last_event().writer);
}

TEST_CASE("a repair that another thread made names who made the drift that was told before") {
  Site site;
  site.record_after_write(Source::event, drift());
  Change later = repair();
  later.detected = false;
  site.record_change(Source::reconcile, later);
  CHECK(site.last_event().writer);
}

TEST_CASE("while a setting is fought over its changes are no lines, but events and counts with who wrote") {
  Site site;
  Change contended = repair();
  contended.contended = true;
  site.record_after_write(Source::event, contended);
  CHECK(site.lines().empty());
  CHECK(site.last_event().writer);
  CHECK(site.written_by("rival d") == "1");
}

TEST_CASE("the write that makes a setting suspended names the opponent too, and an unknown one is not made up") {
  Site site;
  site.record_change(Source::event, suspension());
  CHECK(site.last_line().ends_with(" retry_in=90s"));
  CHECK(site.written_by("unknown") == "1");
  site.record_after_write(Source::event, suspension());
  CHECK(site.last_line().ends_with(" retry_in=90s" + by_rival));
  CHECK(site.written_by("rival d") == "1");
}

TEST_CASE("what becomes of a netns is an event, and its end and a new one of its name forget who wrote") {
  Site site;
  for (const Report::Life life : {Report::Life::gone, Report::Life::governed}) {
    site.record_after_write(Source::event, drift());
    REQUIRE(site.writers.last_writer("q-1", "net.ipv4.ip_forward"));
    site.record_life(life);
    CHECK_FALSE(site.writers.last_writer("q-1", "net.ipv4.ip_forward"));
    CHECK(to_string(site.last_event().kind) == (life == Report::Life::gone ? "netns_gone" : "netns_governed"));
    CHECK(site.last_event().finding.netns == "q-1");
    CHECK_FALSE(site.last_event().source);
  }
  site.record_life(Report::Life::cannot_enter);
  CHECK(to_string(site.last_event().kind) == "netns_failure");
  CHECK(site.last_event().error == "Operation not permitted");
  const auto before = site.events.newest();
  site.record_life(Report::Life::unmatched);
  CHECK(site.events.newest() == before);
}

TEST_CASE("the time from a write to its repair is observed") {
  Site site;
  Report report;
  report.netns = "q-1";
  report.write_seen = site.now - 700us;
  site.reports.record(report, site.policies, site.now, 100);
  CHECK(site.value_of("nswarden_time_to_compliance_seconds_bucket{trigger=\"drift\",le=\"0.0005\"}") == "0");
  CHECK(site.value_of("nswarden_time_to_compliance_seconds_bucket{trigger=\"drift\",le=\"0.001\"}") == "1");
  CHECK(site.value_of("nswarden_time_to_compliance_seconds_count{trigger=\"create\"}") == "0");
}
