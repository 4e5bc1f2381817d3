// SPDX-License-Identifier: Apache-2.0
// nswarden_latency [OPTIONS]: lifetime of a drift under the daemon, compared in one run with a bare loop of the required
// system calls, on netns of its own. Prints Markdown and, for plot.py, JSON; judges by the aims of docs/performance.md, which
// it prints. That page describes the method.
#include <sys/utsname.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <nswarden/os/process.hpp>

#include "arena.hpp"
#include "others.hpp"
#include "processes.hpp"

namespace nswarden::bench {
namespace {

using nlohmann::json;

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

/// Returns an exit status.
int measure_all(const Options& options, json& results) {
  if (options.big) {
    results["big"] = measure_big(options.binary);
    return 0;
  }
  Arena arena(options.floor_only ? "" : options.binary, options.interval);
  if (options.growth) {
    for (const std::size_t netns : {std::size_t{10}, std::size_t{100}, std::size_t{1000}, std::size_t{4000}}) {
      arena.resize(netns);
      // A setting drifts at most every few seconds, so a small number of settings takes long.
      results["growth"].push_back(arena.measure("idle", std::min(options.drifts, netns * daemon_keys.size() * 6)));
    }
    return 0;
  }
  arena.resize(options.netns);
  if (arena.daemon() != nullptr && options.interval == "1h" && !arena.repairs_by_events()) {
    fmt::print(stderr, "skipped: this daemon does not repair by events here\n");
    return 77;
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
  return 0;
}

int run(const Options& options) {
  if (!raise_open_files()) throw std::runtime_error("cannot raise the limit of open files");
  json results{{"machine", machine()}};
  const int status = measure_all(options, results);
  if (!options.json_file.empty()) std::ofstream(options.json_file) << results.dump(1) << "\n";
  return status;
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
