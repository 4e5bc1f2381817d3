// SPDX-License-Identifier: Apache-2.0
// nswarden_latency [OPTIONS]: how long a drift lives under the daemon, and beside it under a bare loop that does nothing but what
// cannot be left out, in one run and on netns of its own. Prints Markdown and, for plot.py, JSON; judges by the aims of
// docs/performance.md, which it prints. What is measured how is told there.
#include <sched.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <nswarden/os/limits.hpp>

#include "drifts.hpp"
#include "figures.hpp"
#include "private_netns.hpp"
#include "processes.hpp"

namespace nswarden::bench {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// Settings that take 0 and 1, without any lock of the kernel, and change no other. The bare loop has others than the daemon, which
// drops events of files that no policy names.
const std::vector<std::string> our_keys{"netfilter/nf_conntrack_tcp_be_liberal", "netfilter/nf_conntrack_tcp_loose",
                                        "ipv4/tcp_timestamps", "ipv4/tcp_mtu_probing", "ipv4/ip_no_pmtu_disc"};
const std::vector<std::string> bare_keys{"ipv4/tcp_sack", "ipv4/tcp_dsack", "ipv4/tcp_window_scaling", "ipv4/tcp_rfc1337",
                                         "ipv4/tcp_abort_on_overflow"};
const std::vector<std::string> more_keys{
    "ipv4/tcp_no_metrics_save", "ipv4/tcp_slow_start_after_idle", "ipv4/tcp_moderate_rcvbuf",
    "ipv4/tcp_autocorking",     "ipv4/tcp_thin_linear_timeouts",  "ipv4/tcp_stdurg",
    "ipv4/tcp_tw_reuse",        "ipv4/ip_nonlocal_bind",          "ipv4/ip_forward_use_pmtu",
    "ipv4/fwmark_reflect"};
constexpr std::size_t most_bare_netns = 1000;
constexpr std::size_t most_files = 5000;
constexpr std::size_t block = 250;
constexpr seconds longest_drift{20};

struct Options {
  std::size_t netns = 1000;
  std::size_t drifts = 20000;
  std::size_t create = 0;
  bool busy = false;
  bool floor_only = false;
  bool peers = false;
  bool growth = false;
  bool big = false;
  std::string interval = "1h";
  std::string json_file;
  std::string binary;
};

template <class Function>
double timed(Function&& function) {
  const auto began = Clock::now();
  function();
  return microseconds(Clock::now() - began);
}

void print_row(const std::string& name, const Figures& figures) {
  fmt::print("| {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.0f} |\n", name, figures.count(), figures.at(0.5), figures.at(0.99),
             figures.at(0.999), figures.at(1));
  std::fflush(stdout);
}

void print_head(const std::string& title) {
  fmt::print("\n{}, microseconds:\n\n| | drifts | p50 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|\n", title);
}

void print_aim(const char* what, double value, double aim) {
  fmt::print("{}: {:.0f} of at most {:.0f} us, {}\n", what, value, aim, value <= aim ? "held" : "MISSED");
}

/// So that a wake-up from idle is part of what is measured.
void pause(std::mt19937& random) {
  std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(0, 2000)(random)));
}

/// The process was stopped before and is afterwards.
void measure_block(const Child& process, Herd& herd, std::size_t count, std::vector<double>& into, std::mt19937& random) {
  process.go();
  // What it was told of while it was stopped is behind it when it has repaired something.
  for (int i = 0; i < 3; ++i) (void)herd.drift(longest_drift);
  for (std::size_t i = 0; i < count; ++i) {
    pause(random);
    into.push_back(microseconds(herd.drift(longest_drift)));
  }
  process.stop();
}

/// Everything that a run of drifts needs: two herds, and who watches over each.
class Arena {
 public:
  explicit Arena(const Options& options)
      : options_(options), ours_("qrouter-", our_keys, most_files), bare_("bare-", bare_keys, most_files) {}

  void resize(std::size_t netns) {
    daemon_.reset();
    bare_process_.reset();
    fmt::print(stderr, "making {} netns\n", netns);
    ours_.resize(netns);
    bare_.resize(std::min(netns, most_bare_netns));
    ours_.choose(random_);
    bare_.choose(random_);
    bare_process_ = std::make_unique<Child>(bare_loop);
    bare_process_->stop();
    if (options_.floor_only) return;
    daemon_ = std::make_unique<Daemon>(Daemon::Settings{options_.binary, "qrouter-", our_keys, options_.interval});
    daemon_->process().stop();
  }

  /// `drifts` of each, in turns.
  json measure(const std::string& load, std::size_t drifts) {
    std::vector<double> ours;
    std::vector<double> bare;
    while (bare.size() < drifts) {
      const std::size_t count = std::min(block, drifts - bare.size());
      if (daemon_) measure_block(daemon_->process(), ours_, count, ours, random_);
      measure_block(*bare_process_, bare_, count, bare, random_);
    }
    json result{{"load", load}, {"netns", ours_.size()}, {"settings", ours_.settings()}};
    print_head(fmt::format("{} netns, {} settings, {}", ours_.size(), ours_.settings(), load));
    const Figures floor(bare);
    if (daemon_) {
      const Figures figures(ours);
      print_row("nswarden", figures);
      result["ours"] = figures.json();
      print_row("bare loop", floor);
      fmt::print("\n");
      print_aim("p50", figures.at(0.5), 2 * floor.at(0.5) + 50);
      print_aim("p99", figures.at(0.99), 2 * floor.at(0.99) + 1000);
      check_not_suspended();
    } else {
      print_row("bare loop", floor);
    }
    result["bare"] = floor.json();
    return result;
  }

  [[nodiscard]] Daemon* daemon() { return daemon_.get(); }
  [[nodiscard]] std::mt19937& random() { return random_; }

  /// False when a drift waits for the sweep.
  bool repairs_by_events() {
    daemon_->process().go();
    std::vector<double> took = ours_.scattered(1, std::chrono::milliseconds(0), seconds(3), random_);
    daemon_->process().stop();
    return took.front() < 2.5e6;
  }

 private:
  /// A daemon that had given some up would be measured by what it does not do.
  void check_not_suspended() {
    daemon_->process().go();
    const auto suspended = daemon_->metric("nswarden_suspended_sysctls{policy=\"bench\"}");
    daemon_->process().stop();
    if (suspended.value_or(0) != 0) throw std::runtime_error("the daemon has suspended settings: the run is worth nothing");
  }

  const Options& options_;
  std::mt19937 random_{42};  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  Herd ours_;
  Herd bare_;
  std::unique_ptr<Child> bare_process_;
  std::unique_ptr<Daemon> daemon_;
};

/// From the return of mount() to the last of its settings right.
json measure_creation(Daemon& daemon, std::size_t count, std::mt19937& random) {
  std::vector<double> took;
  std::vector<double> lookups;
  std::vector<std::string> paths;
  daemon.process().go();
  for (std::size_t i = 0; i < count; ++i) {
    paths.push_back(fmt::format("{}/qrouter-new{:05}", test::netns_dir(), i));
    test::write_file(paths.back(), "");
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare");
      const std::vector<os::Fd> files = open_inside(our_keys);
      lookups.push_back(timed([] { (void)os::Fd(::open("/proc/sys/net/ipv4", O_PATH | O_CLOEXEC)); }));
      // `ip netns add` takes about as long between making the file and mounting the netns on it.
      std::this_thread::sleep_for(std::chrono::microseconds(500));
      if (::mount("/proc/thread-self/ns/net", paths.back().c_str(), nullptr, MS_BIND, nullptr) != 0) {
        throw std::runtime_error("mount");
      }
      const auto began = Clock::now();
      while (!std::all_of(files.begin(), files.end(), is_right)) {
        if (Clock::now() - began > longest_drift) throw std::runtime_error("a new netns was not set right");
      }
      took.push_back(microseconds(Clock::now() - began));
    }).join();
    pause(random);
  }
  daemon.process().stop();
  for (const std::string& path : paths) test::remove_netns(path);
  const Figures figures(took);
  const Figures lookup(lookups);
  print_head("from the bind mount of a new netns to compliant");
  print_row("nswarden", figures);
  print_row("one lookup below /proc/sys/net, there and then", lookup);
  fmt::print("\n");
  // One for each family of its keys.
  print_aim("p50", figures.at(0.5), 300 + 2 * lookup.at(0.5));
  return {{"ours", figures.json()}, {"lookup", lookup.json()}};
}

/// What people use instead, with few drifts, as they live for seconds.
json measure_peers(std::mt19937& random) {
  constexpr std::size_t drifts = 50;
  constexpr std::size_t netns = 100;
  const std::vector<std::string> two_keys(our_keys.begin(), our_keys.begin() + 2);
  Herd herd("peer-", two_keys, netns * two_keys.size());
  herd.resize(netns);
  herd.choose(random);
  std::string script = "while :; do\n";
  for (std::size_t i = 0; i < netns; ++i) {
    const std::string path = herd.path(i);
    for (std::string key : two_keys) {
      std::replace(key.begin(), key.end(), '/', '.');
      script += fmt::format("ip netns exec {} sysctl -qw net.{}=1\n", path.substr(path.rfind('/') + 1), key);
    }
  }
  script += "done\n";
  json all;
  print_head(fmt::format("the peers, {} netns of {} settings", netns, two_keys.size()));
  const auto run = [&](const std::string& name, std::chrono::milliseconds span, const std::function<void()>& body) {
    const Child peer(body);
    const Figures figures(herd.scattered(drifts, span, seconds(60), random));
    print_row(name, figures);
    json one = figures.json();
    one["name"] = name;
    all.push_back(std::move(one));
  };
  run("shell loop", seconds(10), [&] { ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr); });
  run("10 s poller", seconds(20), [&] {
    while (true) {
      herd.set_right();
      std::this_thread::sleep_for(seconds(10));
    }
  });
  return all;
}

long meminfo(const std::string& field) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":")) return std::strtol(line.c_str() + field.size() + 1, nullptr, 10);
  }
  return 0;
}

/// 4000 netns within 20000 open files, with so few settings that each has its fd, and with too many for that.
json measure_big(const Options& options) {
  constexpr std::size_t netns = 4000;
  constexpr std::size_t drifts = 200;
  std::vector<std::string> twenty = our_keys;
  twenty.insert(twenty.end(), bare_keys.begin(), bare_keys.end());
  twenty.insert(twenty.end(), more_keys.begin(), more_keys.end());
  std::mt19937 random(42);  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  Herd herd("qrouter-", {our_keys.begin(), our_keys.begin() + 4}, 2000);
  fmt::print("{} netns made in {:.1f} s\n\n", netns, timed([&] { herd.resize(netns); }) / 1e6);
  fmt::print(
      "| keys | held | by directory | start s | sweep ms | CPU % | RSS MiB | slab MiB | repair p50 us | p99 | max |\n"
      "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  json all;
  for (const std::size_t keys : {std::size_t{4}, std::size_t{20}}) {
    herd.choose(random);
    const long slab = meminfo("Slab");
    const Daemon daemon({options.binary, "qrouter-", {twenty.begin(), twenty.begin() + static_cast<long>(keys)}, "10s", 20000});
    const auto sweeps = [&] {
      return daemon.metric("nswarden_reconcile_duration_seconds_count{trigger=\"interval\"}").value_or(0);
    };
    const auto metric = [&](const char* name) { return daemon.metric(name).value_or(-1); };
    const double cpu = metric("process_cpu_seconds_total");
    const auto quiet_since = Clock::now();
    while (sweeps() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const double quiet = microseconds(Clock::now() - quiet_since) / 1e6;
    const double share = (metric("process_cpu_seconds_total") - cpu) / quiet * 100;
    const double sweep = metric("nswarden_reconcile_duration_seconds_sum{trigger=\"interval\"}") / sweeps() * 1000;
    const double kernel = static_cast<double>(meminfo("Slab") - slab) / 1024;
    std::vector<double> took;
    for (std::size_t i = 0; i < drifts; ++i) {
      pause(random);
      took.push_back(microseconds(herd.drift(longest_drift)));
    }
    const Figures repair(took);
    const double rss = metric("process_resident_memory_bytes") / 1048576;
    fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} | {:.1f} | {:.2f} | {:.1f} | {:.1f} | {:.0f} | {:.0f} | {:.0f} |\n", keys,
               metric("nswarden_bound_sysctls"), metric("nswarden_dirfd_sysctls"), daemon.start().count(), sweep, share, rss,
               kernel, repair.at(0.5), repair.at(0.99), repair.at(1));
    std::fflush(stdout);
    all.push_back({{"keys", keys},
                   {"start_s", daemon.start().count()},
                   {"sweep_ms", sweep},
                   {"cpu_percent", share},
                   {"rss_mib", rss},
                   {"slab_mib", kernel},
                   {"repair", repair.json()}});
  }
  return all;
}

json machine() {
  utsname name{};
  ::uname(&name);
  std::string model = "?";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) model = line.substr(line.find(':') + 2);
  }
  fmt::print("{} {}, {} cores, {}\n", name.sysname, name.release, std::thread::hardware_concurrency(), model);
  return {{"kernel", name.release}, {"cores", std::thread::hardware_concurrency()}, {"cpu", model}};
}

void measure_all(const Options& options, json& results) {
  if (options.big) {
    results["big"] = measure_big(options);
    return;
  }
  Arena arena(options);
  if (options.growth) {
    for (const std::size_t netns : {std::size_t{10}, std::size_t{100}, std::size_t{1000}, std::size_t{4000}}) {
      arena.resize(netns);
      // A setting drifts at most every few seconds, so that few settings take long.
      results["growth"].push_back(arena.measure("idle", std::min(options.drifts, netns * our_keys.size() * 6)));
    }
    return;
  }
  arena.resize(options.netns);
  if (arena.daemon() != nullptr && options.interval == "1h" && !arena.repairs_by_events()) {
    throw std::runtime_error("this daemon does not repair by events");
  }
  results["repair"].push_back(arena.measure("idle", options.drifts));
  if (options.busy) {
    const Child busy(spin);
    results["repair"].push_back(arena.measure("one core busy", options.drifts));
  }
  if (options.create > 0 && arena.daemon() != nullptr) {
    results["create"] = measure_creation(*arena.daemon(), options.create, arena.random());
  }
  if (options.peers) results["peers"] = measure_peers(arena.random());
}

int run(const Options& options) {
  if (!os::raise_open_files()) throw std::runtime_error("cannot raise the limit of open files");
  json results{{"machine", machine()}};
  measure_all(options, results);
  if (!options.json_file.empty()) std::ofstream(options.json_file) << results.dump(1) << "\n";
  return 0;
}

}  // namespace
}  // namespace nswarden::bench

int main(int argc, char** argv) {
  nswarden::bench::Options options;
  CLI::App app("How long a drift lives under nswarden, beside a bare loop", "nswarden_latency");
  app.add_option("--binary", options.binary, "The daemon")->envname("NSWARDEN_BINARY");
  app.add_option("--netns", options.netns, "How many netns, default 1000");
  app.add_option("--drifts", options.drifts, "How many drifts of each, default 20000");
  app.add_flag("--busy", options.busy, "Once more with one core kept busy");
  app.add_flag("--floor-only", options.floor_only, "Only the bare loop");
  app.add_option("--create", options.create, "How many new netns are timed, default none");
  app.add_flag("--peers", options.peers, "A shell loop and a 10 s poller too");
  app.add_flag("--growth", options.growth, "Instead: with 10, 100, 1000 and 4000 netns");
  app.add_flag("--big", options.big, "Instead: 4000 netns within 20000 open files");
  app.add_option("--interval", options.interval, "Of the daemon's sweeps, default 1h, so that only events repair");
  app.add_option("--json", options.json_file, "Where to write the figures, for plot.py");
  CLI11_PARSE(app, argc, argv);
  if (options.binary.empty() && !options.floor_only) {
    fmt::print(stderr, "NSWARDEN_BINARY or --binary must name the built binary\n");
    return 2;
  }
  return nswarden::bench::isolated(std::chrono::minutes(10), [&] { return run(options); });
}
