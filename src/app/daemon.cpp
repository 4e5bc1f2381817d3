// SPDX-License-Identifier: Apache-2.0
#include <nswarden/app/daemon.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <system_error>

#include <nswarden/app/build_info.hpp>
#include <nswarden/app/one_shot.hpp>
#include <nswarden/app/web.hpp>
#include <nswarden/os/limits.hpp>
#include "app/fd_budget.hpp"
#include "app/loop.hpp"

namespace nswarden::app {
namespace {

void check_privilege(const os::LinuxCatalog& catalog) {
  if (const auto may = catalog.may_enter(); !may) {
    throw std::runtime_error(
        fmt::format("cannot enter network namespaces: {}; run as root or with CAP_SYS_ADMIN and CAP_NET_ADMIN",
                    std::generic_category().message(may.error().code)));
  }
}

void serve_until_told(const Options& options, Configuration configuration) {
  os::Signals signals;  // before any thread, so that all inherit the mask
  const os::Waker waker;
  ReloadDesk desk([&waker] { waker.wake(); });
  // A failure leaves the limit as it was, and the budget follows it.
  (void)os::raise_open_files().ok();
  os::LinuxCatalog catalog(netns_directories(options, configuration.config));
  check_privilege(catalog);
  Metrics metrics;
  SnapshotSlot slot;
  const WebServer web(options.web, {&metrics, &slot, [&desk] { return desk.request(); }});

  Log log(2, options.log_level, options.log_format);
  const BuildInfo build = build_info();
  log.info("nswarden starts", {{"version", build.version}, {"revision", build.revision}});
  for (const std::string& address : web.addresses()) {
    const std::string url = fmt::format("http://{}{}", address, options.web.telemetry_path);
    log.info("listening", {{"address", address}, {"metrics", url}});
  }
  Loop({options, signals, waker, desk, catalog, metrics, slot, log}, std::move(configuration),
       fd_budget(os::open_files_limit()))
      .run();
  desk.close();
}

}  // namespace

int run_daemon(const Options& options) {
  auto loaded = load_configuration(options);
  if (const auto* none = std::get_if<NoConfiguration>(&loaded)) {
    for (const std::string& line : none->lines) fmt::print(stderr, "nswarden: {}\n", line);
    return exit_usage;
  }
  try {
    serve_until_told(options, std::get<Configuration>(std::move(loaded)));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "nswarden: {}\n", error.what());
    return exit_usage;
  }
}

}  // namespace nswarden::app
