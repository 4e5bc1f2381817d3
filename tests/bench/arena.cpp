// SPDX-License-Identifier: Apache-2.0
#include "arena.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include "figures.hpp"
#include "tables.hpp"

namespace nswarden::bench {

using nlohmann::json;

const std::vector<std::string> daemon_keys{"netfilter/nf_conntrack_tcp_be_liberal", "netfilter/nf_conntrack_tcp_loose",
                                           "ipv4/tcp_timestamps", "ipv4/tcp_mtu_probing", "ipv4/ip_no_pmtu_disc"};
const std::vector<std::string> bare_keys{"ipv4/tcp_sack", "ipv4/tcp_dsack", "ipv4/tcp_window_scaling", "ipv4/tcp_rfc1337",
                                         "ipv4/tcp_abort_on_overflow"};

namespace {

constexpr std::size_t max_bare_netns = 1000;
constexpr std::size_t max_files = 5000;
constexpr std::size_t block = 250;

/// The process is stopped before and after the block.
void measure_block(const Child& process, Herd& herd, std::size_t count, std::vector<double>& into, std::mt19937& random) {
  process.go();
  // Once it has repaired a setting, it has processed the events queued while it was stopped.
  for (int i = 0; i < 3; ++i) (void)herd.drift(longest_drift);
  for (std::size_t i = 0; i < count; ++i) {
    pause(random);
    into.push_back(microseconds(herd.drift(longest_drift)));
  }
  process.stop();
}

}  // namespace

/// Includes wake-ups from idle in the measurement.
void pause(std::mt19937& random) {
  std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(0, 2000)(random)));
}

Arena::Arena(std::string binary, std::string interval)
    : binary_(std::move(binary)),
      interval_(std::move(interval)),
      daemon_herd_("qrouter-", daemon_keys, max_files),
      bare_("bare-", bare_keys, max_files) {}

void Arena::resize(std::size_t netns) {
  daemon_.reset();
  bare_process_.reset();
  fmt::print(stderr, "making {} netns\n", netns);
  daemon_herd_.resize(netns);
  bare_.resize(std::min(netns, max_bare_netns));
  daemon_herd_.choose(random_);
  bare_.choose(random_);
  bare_process_ = start_bare_loop();
  bare_process_->stop();
  if (binary_.empty()) return;
  daemon_ = std::make_unique<Daemon>(Daemon::Settings{binary_, "qrouter-", daemon_keys, interval_});
  // When netns compete for fds, the first sweep holds more than it may keep.
  daemon_->sweep();
  daemon_->process().stop();
}

json Arena::measure(const std::string& load, std::size_t drifts) {
  std::vector<double> daemon_drifts;
  std::vector<double> bare;
  while (bare.size() < drifts) {
    const std::size_t count = std::min(block, drifts - bare.size());
    if (daemon_) measure_block(daemon_->process(), daemon_herd_, count, daemon_drifts, random_);
    measure_block(*bare_process_, bare_, count, bare, random_);
  }
  json result{{"load", load}, {"netns", daemon_herd_.size()}, {"settings", daemon_herd_.settings()}};
  print_head(fmt::format("{} netns, {} settings, {}", daemon_herd_.size(), daemon_herd_.settings(), load));
  const Figures floor(bare);
  if (daemon_) {
    const Figures figures(daemon_drifts);
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

bool Arena::repairs_by_events() {
  daemon_->process().go();
  std::vector<double> took = daemon_herd_.scattered(1, std::chrono::milliseconds(0), std::chrono::seconds(3), random_);
  daemon_->process().stop();
  return took.front() < 2.5e6;
}

/// Suspended settings would make the daemon look faster than it is.
void Arena::check_not_suspended() {
  daemon_->process().go();
  const double suspended = daemon_->metric("nswarden_suspended_sysctls{policy=\"bench\"}");
  daemon_->process().stop();
  if (suspended > 0) throw std::runtime_error("the daemon has suspended settings: the run is worth nothing");
}

}  // namespace nswarden::bench
