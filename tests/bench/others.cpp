// SPDX-License-Identifier: Apache-2.0
#include "others.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "arena.hpp"
#include "drifts.hpp"
#include "figures.hpp"
#include "private_netns.hpp"
#include "tables.hpp"

namespace nswarden::bench {

using nlohmann::json;
using std::chrono::seconds;

namespace {

const std::vector<std::string> more_keys{
    "ipv4/tcp_no_metrics_save", "ipv4/tcp_slow_start_after_idle", "ipv4/tcp_moderate_rcvbuf",
    "ipv4/tcp_autocorking",     "ipv4/tcp_thin_linear_timeouts",  "ipv4/tcp_stdurg",
    "ipv4/tcp_tw_reuse",        "ipv4/ip_nonlocal_bind",          "ipv4/ip_forward_use_pmtu",
    "ipv4/fwmark_reflect"};

template <class Function>
double timed(Function&& function) {
  const auto began = Clock::now();
  function();
  return microseconds(Clock::now() - began);
}

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

/// A separate procfs with its own dentries: opening files there does not change the cost of lookups in /proc.
Fd other_procfs() {
  const Fd context(::fsopen("proc", FSOPEN_CLOEXEC));
  check(context && ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0, "another procfs");
  Fd proc(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  check(static_cast<bool>(proc), "fsmount");
  return proc;
}

/// The calling thread creates a netns; returns the time until it is compliant.
double create(const std::string& path, const Fd& proc) {
  check(::unshare(CLONE_NEWNET) == 0, "unshare");
  const std::vector<Fd> files = open_inside(proc.get(), daemon_keys);
  // `ip netns add` takes about as long between creating the file and mounting the netns.
  std::this_thread::sleep_for(std::chrono::microseconds(500));
  check(::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount netns");
  const auto began = Clock::now();
  while (!std::all_of(files.begin(), files.end(), is_compliant)) {
    if (Clock::now() - began > longest_drift) throw std::runtime_error("a new netns was not set right");
  }
  return microseconds(Clock::now() - began);
}

/// Time of a lookup in a netns without cached dentries.
double first_lookup() {
  check(::unshare(CLONE_NEWNET) == 0, "unshare");
  return timed([] { (void)Fd(::open("/proc/sys/net/ipv4", O_PATH | O_CLOEXEC)); });
}

long meminfo(const std::string& field) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":")) return std::strtol(line.c_str() + field.size() + 1, nullptr, 10);
  }
  return 0;
}

}  // namespace

json measure_creation(Daemon& daemon, std::size_t count, std::mt19937& random) {
  const Fd proc = other_procfs();
  std::vector<double> took;
  std::vector<std::string> paths;
  daemon.process().go();
  for (std::size_t i = 0; i < count; ++i) {
    paths.push_back(fmt::format("{}/qrouter-new{:05}", test::netns_dir(), i));
    test::write_file(paths.back(), "");
    std::thread([&] { took.push_back(create(paths.back(), proc)); }).join();
    pause(random);
  }
  daemon.process().stop();
  std::vector<double> lookups;
  for (int i = 0; i < 50; ++i) std::thread([&] { lookups.push_back(first_lookup()); }).join();
  for (const std::string& path : paths) test::remove_netns(path);
  const Figures figures(took);
  const Figures lookup(lookups);
  print_head("from the bind mount of a new netns to compliant");
  print_row("nswarden", figures);
  print_row("one lookup below /proc/sys/net in a new netns", lookup);
  fmt::print("\n");
  // One lookup per family of the keys.
  print_aim("p50", figures.at(0.5), 300 + 2 * lookup.at(0.5));
  return {{"ours", figures.json()}, {"lookup", lookup.json()}};
}

json measure_peers(std::mt19937& random) {
  constexpr std::size_t drifts = 50;
  constexpr std::size_t netns = 100;
  const std::vector<std::string> two_keys(daemon_keys.begin(), daemon_keys.begin() + 2);
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
      herd.make_compliant();
      std::this_thread::sleep_for(seconds(10));
    }
  });
  return all;
}

json measure_big(const std::string& binary) {
  constexpr std::size_t netns = 4000;
  constexpr std::size_t drifts = 200;
  std::vector<std::string> twenty = daemon_keys;
  twenty.insert(twenty.end(), bare_keys.begin(), bare_keys.end());
  twenty.insert(twenty.end(), more_keys.begin(), more_keys.end());
  std::mt19937 random(42);  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  Herd herd("qrouter-", {daemon_keys.begin(), daemon_keys.begin() + 4}, 2000);
  fmt::print("{} netns made in {:.1f} s\n\n", netns, timed([&] { herd.resize(netns); }) / 1e6);
  fmt::print(
      "| keys | held | by directory | start s | sweep ms | CPU % | RSS MiB | slab MiB | repair p50 us | p99 | max |\n"
      "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  json all;
  for (const std::size_t keys : {std::size_t{4}, std::size_t{20}}) {
    herd.choose(random);
    const long slab = meminfo("Slab");
    const Daemon daemon({binary, "qrouter-", {twenty.begin(), twenty.begin() + static_cast<long>(keys)}, "10s", 20000});
    const auto metric = [&](const char* name) { return daemon.metric(name); };
    const auto sweeps = [&] { return metric("nswarden_reconcile_duration_seconds_count"); };
    const auto sweep_time = [&] { return metric("nswarden_reconcile_duration_seconds_sum"); };
    const double first = sweep_time();
    const double cpu = metric("process_cpu_seconds_total");
    const auto quiet_since = Clock::now();
    while (sweeps() < 4) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const double quiet = microseconds(Clock::now() - quiet_since) / 1e6;
    const double share = (metric("process_cpu_seconds_total") - cpu) / quiet * 100;
    const double sweep = (sweep_time() - first) / (sweeps() - 1) * 1000;
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

}  // namespace nswarden::bench
