// SPDX-License-Identifier: Apache-2.0
// nswarden_web [OPTIONS]: duration of a scrape compared with reading all values for each scrape, and the effect of very
// frequent or very slow clients on scrapes and repairs, alternating with runs without them. All in one run, on netns,
// loopback and processes of its own. Prints Markdown; fails only if a response is missing. docs/performance-http.md describes the
// method.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/process.hpp>

#include "arena.hpp"
#include "private_netns.hpp"
#include "tables.hpp"
#include "web_clients.hpp"
#include "web_values.hpp"

namespace nswarden::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Options {
  std::string binary;
  std::size_t netns = 1000;
  std::size_t rounds = 10;
  std::size_t scrapes = 200;
  std::size_t drifts = 250;
  std::size_t storm = 64;
  std::size_t slow = 256;
  Priority priority = Priority::none;
  bool http = true;
  bool tls = true;
};

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

void enter_own_network() {
  check(::unshare(CLONE_NEWNET) == 0, "unshare");
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  check(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0, "loopback");
}

/// The load beside the daemon in one turn.
struct Company {
  std::string name;
  std::vector<Crowd> crowds;
  bool spinner = false;  ///< a process of nice 10 that computes on the daemon's core
  std::vector<double> scrapes = {};
  std::vector<double> drifts = {};
  std::vector<double> storm = {};
  std::uint64_t answers = 0;
  std::uint64_t closed_by_server = 0;
  double time = 0;  ///< total seconds of the scrapes
};

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)), herd_("qrouter-", keys(), 5000) {
    fmt::print(stderr, "making {} netns\n", options_.netns);
    herd_.resize(options_.netns);
    herd_.choose(random_);
  }

  /// Returns an exit status.
  int run() {
    if (options_.http) serve_http();
    if (options_.tls) serve_tls();
    if (failures_ > 0) fmt::print(stderr, "{} answers of the daemon were missing or cut short\n", failures_);
    return failures_ > 0 ? 1 : 0;
  }

 private:
  void serve_http() {
    start(false);
    fmt::print("{} netns of {} settings, a page of {} bytes, {} with gzip\n", herd_.size(), keys().size(),
               scrape(Speech::http).size(), scrape(Speech::gzip).size());
    compare_with_reading();
    std::vector<Company> all{{"no client", {}}, {"computes at nice 10", {}, true}, storm(), silent_and_slow()};
    all.push_back({fmt::format("{} that read a byte a second", options_.slow), {{Behaviour::slow_reader, options_.slow}}});
    measure("HTTP", all);
  }

  void serve_tls() {
    start(true);
    std::vector<Company> all{{"no client", {}}, storm(), silent_and_slow()};
    all.push_back({fmt::format("{} with half a ClientHello", options_.slow), {{Behaviour::half_hello, options_.slow}}});
    all.push_back({fmt::format("{} that stop after ClientHello", options_.slow), {{Behaviour::whole_hello, options_.slow}}});
    measure("TLS", all);
  }

  [[nodiscard]] Company storm() const {
    return {fmt::format("{} ask all the time", options_.storm), {{Behaviour::storm, options_.storm}}};
  }
  [[nodiscard]] Company silent_and_slow() const {
    return {fmt::format("{0} silent, {0} that say a byte a second", options_.slow),
            {{Behaviour::silent, options_.slow}, {Behaviour::slow_sender, options_.slow}}};
  }

  static std::vector<std::string> keys() {
    std::vector<std::string> all = daemon_keys;
    all.insert(all.end(), bare_keys.begin(), bare_keys.end());
    return all;
  }

  void start(bool tls) {
    daemon_.reset();
    speech_ = tls ? Speech::tls : Speech::http;
    Daemon::Settings settings{options_.binary, "qrouter-", keys()};
    settings.ask = [this](std::uint16_t port, const std::string& path) { return ask(port, path, speech_); };
    if (tls) settings.web_config = make_web_config();
    daemon_.emplace(settings);
    daemon_->sweep();
  }

  std::string make_web_config() const {
    const std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=bench -keyout {0}/key.pem "
        "-out {0}/cert.pem 2> /dev/null",
        files_.path());
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl does not make a certificate");  // NOLINT: ours
    test::write_file(files_ / "web.yaml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n");
    return files_ / "web.yaml";
  }

  std::string scrape(Speech speech) {
    std::string answer = ask(daemon_->port(), "/metrics", speech);
    if (!is_complete_answer(answer)) ++failures_;
    return answer;
  }
  double timed_scrape(Speech speech) {
    const OnFirstCore here;
    const auto began = Clock::now();
    (void)scrape(speech);
    return microseconds(Clock::now() - began);
  }

  // Cost of a scrape
  // -----------------------------------------------------------------------------------------------------------

  void compare_with_reading() {
    AllValues values(herd_, keys_);
    std::vector<double> plain;
    std::vector<double> gzip;
    std::vector<double> held;
    std::vector<double> by_name;
    for (std::size_t i = 0; i < options_.scrapes * options_.rounds; ++i) {
      pause(random_);
      plain.push_back(timed_scrape(Speech::http));
      pause(random_);
      gzip.push_back(timed_scrape(Speech::gzip));
      if (i % 10 == 0) held.push_back(values.read_held());
      if (i % 40 == 0) by_name.push_back(values.read_by_name());
    }
    fmt::print(
        "\na scrape, and reading all values for each, milliseconds:\n\n| | times | p50 | p99 | max "
        "|\n|---|---:|---:|---:|---:|\n");
    const auto row = [](const char* name, const Figures& figures) {
      fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} |\n", name, figures.count(), figures.at(0.5) / 1e3,
                 figures.at(0.99) / 1e3, figures.at(1) / 1e3);
    };
    const Figures scrapes(plain);
    row("scrape", scrapes);
    row("scrape with gzip", Figures(gzip));
    row("only reading all values, of files held open", Figures(held));
    row("only reading all values, by name in each netns", Figures(by_name));
    fmt::print("\n");
    print_aim("p50 of a scrape", scrapes.at(0.5), 2000);
  }

  // Under load ----------------------------------------------------------------

  static void compute() {
    (void)::setpriority(PRIO_PROCESS, 0, 10);
    spin();
  }

  void take_turn(Company& company) {
    std::optional<Load> load;
    std::optional<Child> spinner;
    if (company.spinner) spinner.emplace(compute);
    if (!company.crowds.empty()) load.emplace(daemon_->port(), speech_ == Speech::tls, company.crowds, options_.priority);
    const bool is_storm = load && company.crowds.front().behaviour == Behaviour::storm;
    if (is_storm && !test::eventually([&] { return load->answers() >= options_.storm; }, seconds(60))) ++failures_;
    std::this_thread::sleep_for(milliseconds(300));
    if (load) load->count();
    // Few scrapes suffice if each takes many seconds.
    const auto end = Clock::now() + seconds(20);
    for (std::size_t i = 0; i < options_.scrapes && Clock::now() < end; ++i) {
      pause(random_);
      company.scrapes.push_back(timed_scrape(speech_));
    }
    if (load) {
      company.answers += load->answers();
      company.time += load->time().count();
      const std::vector<double> took = load->took();
      company.storm.insert(company.storm.end(), took.begin(), took.end());
    }
    for (std::size_t i = 0; i < options_.drifts; ++i) {
      pause(random_);
      company.drifts.push_back(microseconds(herd_.drift(longest_drift)));
    }
    if (!load) return;
    company.closed_by_server += load->closed_by_server();
    failures_ += load->failures();
    load.reset();
    // The server may still wait for disconnected clients.
    std::this_thread::sleep_for(milliseconds(2100));
  }

  void measure(const char* title, std::vector<Company>& companies) {
    for (std::size_t round = 0; round < options_.rounds; ++round) {
      for (Company& company : companies) take_turn(company);
    }
    if (daemon_->metric("nswarden_suspended_sysctls{policy=\"bench\"}") > 0)
      throw std::runtime_error("the daemon has suspended settings: the run is worth nothing");
    const Figures quiet(companies.front().scrapes);
    fmt::print(
        "\nscrapes by {}, milliseconds:\n\n"
        "| beside it | scrapes | p50 | p99 | max | storm: answers/s | p50 | p99 | {} clients at that rate |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        title, options_.storm + 1);
    for (const Company& company : companies) print_scrapes(company);
    fmt::print("\n");
    for (const Company& company : companies) {
      if (&company != &companies.front() && !company.crowds.empty()) print_scrape_aim(company, quiet);
    }
    print_head(fmt::format("repairs meanwhile, {}", title));
    for (const Company& company : companies) print_row(company.name, Figures(company.drifts));
  }

  /// Mean milliseconds per scrape for clients that queue.
  [[nodiscard]] double queueing(const Company& company) const {
    const double rate = static_cast<double>(company.answers + company.scrapes.size()) / company.time;
    return static_cast<double>(options_.storm + 1) / rate * 1e3;
  }

  void print_scrapes(const Company& company) const {
    const Figures scrapes(company.scrapes);
    const Figures storm(company.storm);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} |", company.name, scrapes.count(), scrapes.at(0.5) / 1e3,
               scrapes.at(0.99) / 1e3, scrapes.at(1) / 1e3);
    if (storm.count() == 0) {
      fmt::print(" | | | |\n");
    } else {
      fmt::print(" {:.0f} | {:.2f} | {:.2f} | {:.2f} |\n", static_cast<double>(company.answers) / company.time,
                 storm.at(0.5) / 1e3, storm.at(0.99) / 1e3, queueing(company));
    }
    std::fflush(stdout);
  }

  void print_scrape_aim(const Company& company, const Figures& quiet) const {
    const bool is_storm = company.crowds.front().behaviour == Behaviour::storm;
    const double more = is_storm ? queueing(company) * 1e3 : 2e6;
    print_aim(fmt::format("p99 of a scrape, {}", company.name).c_str(), Figures(company.scrapes).at(0.99),
              quiet.at(0.99) + more + 10e3);
    if (!is_storm) fmt::print("  {} connections were ended by the daemon\n", company.closed_by_server);
  }

  Options options_;
  std::mt19937 random_{42};  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  test::TempDir files_;
  std::vector<std::string> keys_ = keys();
  Herd herd_;
  Speech speech_ = Speech::http;
  std::optional<Daemon> daemon_;
  std::uint64_t failures_ = 0;
};

int run(const Options& options) {
  if (!raise_open_files()) throw std::runtime_error("cannot raise the limit of open files");
  enter_own_network();
  return Bench(options).run();
}

}  // namespace
}  // namespace nswarden::bench

int main(int argc, char** argv) {
  nswarden::bench::Options options;
  CLI::App app("Scrapes and repairs of nswarden while many clients ask, or are slow", "nswarden_web");
  app.add_option("--binary", options.binary, "The daemon")->envname("NSWARDEN_BINARY");
  app.add_option("--netns", options.netns, "How many netns, default 1000");
  app.add_option("--rounds", options.rounds, "How many turns of each company, default 10");
  app.add_option("--scrapes", options.scrapes, "How many scrapes in each turn, default 200, or for 20 s");
  app.add_option("--drifts", options.drifts, "How many drifts in each turn, default 250");
  app.add_option("--storm", options.storm, "How many clients ask all the time, default 64");
  app.add_option("--slow", options.slow, "How many clients of each slow kind, default 256");
  app.add_flag_callback(
      "--usual-priority", [&] { options.priority = nswarden::bench::Priority::usual; },
      "The clients have the priority of all others: for a busy machine, on which they would else not come to what they have to "
      "do in time");
  app.add_flag("--http,!--no-http", options.http, "Plain HTTP, default yes");
  app.add_flag("--tls,!--no-tls", options.tls, "TLS, default yes");
  CLI11_PARSE(app, argc, argv);
  if (options.binary.empty()) {
    fmt::print(stderr, "NSWARDEN_BINARY or --binary must name the built binary\n");
    return 2;
  }
  return nswarden::bench::isolated(std::chrono::minutes(30), [&] { return nswarden::bench::run(options); });
}
