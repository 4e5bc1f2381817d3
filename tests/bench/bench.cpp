// SPDX-License-Identifier: Apache-2.0
// nswarden_bench [--json=FILE] [NETNS...]: cost of the first pass and of a sweep, compared in one run with a bare loop of the
// required system calls and with the shell loop that nswarden replaces, on netns of its own. Prints results without judging
// them.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/process.hpp>

#include "policy_words.hpp"
#include "private_netns.hpp"

using namespace nswarden;

namespace {

using Clock = std::chrono::steady_clock;
constexpr int rounds = 15;

const std::vector<std::string> two_keys{"netfilter/nf_conntrack_tcp_be_liberal", "netfilter/nf_conntrack_tcp_loose"};
const std::vector<std::string> ten_keys{"netfilter/nf_conntrack_tcp_be_liberal",
                                        "netfilter/nf_conntrack_tcp_loose",
                                        "ipv4/ip_forward",
                                        "ipv4/tcp_keepalive_time",
                                        "ipv4/tcp_keepalive_intvl",
                                        "ipv4/tcp_syn_retries",
                                        "ipv4/tcp_fin_timeout",
                                        "ipv4/ip_default_ttl",
                                        "ipv4/conf/all/rp_filter",
                                        "ipv4/conf/default/rp_filter"};

std::string below_net(const std::string& path) { return fmt::format("net/{}", path); }

double microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Function>
double timed(Function&& function) {
  const auto began = Clock::now();
  function();
  return microseconds(Clock::now() - began);
}

/// A policy that wants the present values, so that a pass only reads.
std::shared_ptr<const PolicySet> policy(const std::string& sample, const std::vector<std::string>& keys, bool break_first) {
  Config config;
  PolicyConfig all = test::policy("all", ".*", {});
  for (const std::string& path : keys) {
    std::string want = test::read_sysctl(sample, below_net(path));
    want.resize(want.find_last_not_of('\n') + 1);
    if (break_first && &path == &keys.front()) want.assign(1, '1');
    all.sysctls.push_back(test::setting(below_net(path), want));
  }
  config.policies.push_back(std::move(all));
  return std::make_shared<PolicySet>(config, PolicySet::Audit::as_configured);
}

/// The bare loops of the minimal system calls.
class Floor {
 public:
  Floor(const std::vector<std::string>& paths, const std::vector<std::string>& keys)
      : paths_(paths), home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    for (const std::string& key : keys) keys_.push_back(fmt::format("/proc/sys/net/{}", key));
  }
  ~Floor() {
    close_all();
    ::close(home_);
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;

  void first_pass() {
    char value[128];
    for (const std::string& path : paths_) {
      const int netns = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (::setns(netns, CLONE_NEWNET) != 0) std::abort();
      ::close(netns);
      for (const std::string& key : keys_) {
        const int fd = ::openat(AT_FDCWD, key.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0 || ::pread(fd, value, sizeof value - 1, 0) <= 0) std::abort();
        held_.push_back(fd);
      }
    }
    if (::setns(home_, CLONE_NEWNET) != 0) std::abort();
  }
  void sweep() const {
    char value[128];
    for (const int fd : held_) {
      if (::pread(fd, value, sizeof value - 1, 0) <= 0) std::abort();
    }
  }
  void close_all() {
    for (const int fd : held_) ::close(fd);
    held_.clear();
  }

 private:
  const std::vector<std::string>& paths_;
  std::vector<std::string> keys_;
  int home_;
  std::vector<int> held_;
};

/// The daemon's engine without its event loop.
class Engine {
 public:
  explicit Engine(std::shared_ptr<const PolicySet> policies)
      : catalog_({test::netns_dir()}), reconciler_(catalog_, std::move(policies), {open_files_limit() - 512, true}) {}

  void sweep(NetnsCatalog::Detail detail) {
    reconciler_.begin_sweep();
    if (!reconciler_.list(detail, Clock::now()).empty()) std::abort();
    while (reconciler_.work()) reconciler_.step(256, Clock::now());
    (void)reconciler_.take_reports();
  }
  [[nodiscard]] Overview overview() const { return reconciler_.overview(Clock::now()); }

 private:
  LinuxCatalog catalog_;
  Reconciler reconciler_;
};

/// Prints a row and returns it in microseconds for plot.py.
nlohmann::json measure(const std::vector<std::string>& paths, const std::vector<std::string>& keys) {
  using Detail = NetnsCatalog::Detail;
  const std::size_t netns = paths.size();
  const auto policies = policy(paths.front(), keys, false);
  std::vector<double> first_floor;
  std::vector<double> first_engine;
  std::vector<double> sweep_floor;
  std::vector<double> sweep_engine;
  std::vector<double> sweep_full;
  const char* tier = "held";
  for (int round = 0; round < rounds; ++round) {
    {
      Floor floor(paths, keys);
      first_floor.push_back(timed([&] { floor.first_pass(); }));
      sweep_floor.push_back(timed([&] { floor.sweep(); }));
    }
    Engine engine(policies);
    first_engine.push_back(timed([&] { engine.sweep(Detail::full); }));
    sweep_engine.push_back(timed([&] { engine.sweep(Detail::names); }));
    sweep_full.push_back(timed([&] { engine.sweep(Detail::full); }));
    const Overview overview = engine.overview();
    if (overview.totals.compliant != netns * keys.size()) std::abort();
    if (overview.held_keys != overview.totals.settings) tier = "mixed";
  }
  const auto count = static_cast<double>(netns);
  const double settings = count * static_cast<double>(keys.size());
  fmt::print("{:>6} {:>5} {:>6} | {:>9.1f} {:>9.1f} {:>6.2f} | {:>8.3f} {:>8.3f} {:>6.2f} | {:>8.3f} {:>6.2f}\n", netns,
             keys.size(), tier, median(first_floor) / count, median(first_engine) / count,
             median(first_engine) / median(first_floor), median(sweep_floor) / settings, median(sweep_engine) / settings,
             median(sweep_engine) / median(sweep_floor), median(sweep_full) / settings,
             median(sweep_full) / median(sweep_floor));
  return {{"netns", netns},
          {"keys", keys.size()},
          {"first", {{"ours", median(first_engine)}, {"floor", median(first_floor)}}},
          {"sweep", {{"ours", median(sweep_engine)}, {"floor", median(sweep_floor)}}}};
}

/// Compares the replaced script with nswarden on some of the netns.
void measure_shell(const std::vector<std::string>& paths) {
  const std::size_t sample = std::min<std::size_t>(paths.size(), 100);
  std::string script;
  for (std::size_t i = 0; i < sample; ++i) {
    const std::string name = paths[i].substr(paths[i].rfind('/') + 1);
    for (const std::string& key : two_keys) {
      script += fmt::format("ip netns exec {} sysctl -q net.netfilter.{}=1\n", name, key.substr(key.rfind('/') + 1));
    }
  }
  for (std::size_t i = 0; i < sample; ++i) test::write_sysctl(paths[i], below_net(two_keys.front()), "0");
  const double shell = timed([&] {
    if (std::system(script.c_str()) != 0) std::abort();  // NOLINT(concurrency-mt-unsafe): one thread
  });
  for (std::size_t i = 0; i < sample; ++i) test::write_sysctl(paths[i], below_net(two_keys.front()), "0");
  Engine engine(policy(paths.front(), two_keys, true));
  const double first = timed([&] { engine.sweep(NetnsCatalog::Detail::full); });
  for (const std::string& path : paths) test::write_sysctl(path, below_net(two_keys.front()), "0");
  const double repair = timed([&] { engine.sweep(NetnsCatalog::Detail::names); });
  for (const std::string& path : paths) test::write_sysctl(path, below_net(two_keys.front()), "0");
  const auto all = static_cast<double>(paths.size());
  const double per_shell = shell / static_cast<double>(sample);
  fmt::print("\nsetting two keys right in each of {} netns, microseconds a netns:\n", paths.size());
  fmt::print("  a shell loop of `ip netns exec NAME sysctl` ({} of them)  {:>10.1f}\n", sample, per_shell);
  fmt::print("  nswarden, first pass with repair                          {:>10.1f}   {:.0f} times faster\n", first / all,
             per_shell / (first / all));
  fmt::print("  nswarden, sweep that repairs every netns                  {:>10.1f}   {:.0f} times faster\n", repair / all,
             per_shell / (repair / all));
}

/// VmRSS of the daemon in KiB after its first sweep.
long daemon_rss(const char* binary) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 2);
    ::execl(binary, binary, "run", "--web.listen-address=127.0.0.1:0", "--config.file=/run/netns/.bench.yaml", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string log;
  char chunk[65536];
  while (log.find("first sweep done") == std::string::npos) {
    const ssize_t got = ::read(ends[0], chunk, sizeof chunk);
    if (got <= 0) break;
    log.append(chunk, static_cast<std::size_t>(got));
  }
  std::ifstream status(fmt::format("/proc/{}/status", child));
  long rss = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) rss = std::atol(line.c_str() + 6);
  }
  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  return rss;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes;
  std::string json_file;
  const std::string json_option = "--json=";
  for (const std::string& argument : std::vector<std::string>(argv + 1, argv + argc)) {
    if (argument.starts_with(json_option)) {
      json_file = argument.substr(json_option.size());
    } else {
      sizes.push_back(std::stoul(argument));
    }
  }
  if (sizes.empty()) sizes = {100, 1000, 2000};
  std::sort(sizes.begin(), sizes.end());
  if (!raise_open_files()) return 1;
  const std::string dir = test::netns_dir();
  const char* binary = std::getenv("NSWARDEN_BINARY");  // NOLINT(concurrency-mt-unsafe): one thread

  fmt::print("medians of {} rounds, interleaved; microseconds\n", rounds);
  fmt::print("                     |  first pass, per netns     |  sweep, per key          |  with every name\n");
  fmt::print(" netns  keys   tier  |   floor      ours   ratio  |  floor     ours  ratio   |  looked up  ratio\n");
  std::vector<std::string> paths;
  nlohmann::json rows;
  std::vector<std::pair<std::size_t, long>> rss;
  for (const std::size_t size : sizes) {
    while (paths.size() < size) {
      paths.push_back(fmt::format("{}/qrouter-bench-{:06}", dir, paths.size()));
      test::make_netns(paths.back());
    }
    rows.push_back(measure(paths, two_keys));
    if (size * ten_keys.size() < open_files_limit() - 512) rows.push_back(measure(paths, ten_keys));
    if (binary != nullptr) {
      test::write_file(dir + "/.bench.yaml",
                       "policies:\n  - name: bench\n    netns: qrouter-\n    sysctls:\n"
                       "      net.netfilter.nf_conntrack_tcp_be_liberal: 1\n"
                       "      net.netfilter.nf_conntrack_tcp_loose: 1\nversion: 1\n");
      rss.emplace_back(size, daemon_rss(binary));
      ::unlink((dir + "/.bench.yaml").c_str());
      for (const std::string& path : paths) test::write_sysctl(path, below_net(two_keys.front()), "0");
    }
  }
  measure_shell(paths);
  if (!rss.empty()) fmt::print("\nmemory of the daemon after its first sweep, two keys each:\n");
  for (const auto& [size, kib] : rss) {
    fmt::print("  {:>6} netns  {:>6} KiB RSS\n", size, kib);
  }
  if (!json_file.empty()) std::ofstream(json_file) << nlohmann::json{{"passes", rows}}.dump(1) << "\n";
  for (const std::string& path : paths) test::remove_netns(path);
}
