// SPDX-License-Identifier: Apache-2.0
#include <nswarden/daemon/daemon.hpp>

#include <fmt/format.h>

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/report/console.hpp>
#include <nswarden/web/web_access.hpp>
#include <nswarden/web/web_server.hpp>
#include "daemon/loop.hpp"

namespace nswarden {
namespace {

void serve(const DaemonOptions& options, LoadedConfig configuration, PathWatcher& files) {
  const ServiceEnvironment environment = service_environment();
  Signals signals;  // before any thread starts, so that all inherit the mask
  const Waker waker;
  ReloadRequests reload_requests([&waker] { waker.wake(); });
  const std::size_t first_limit = open_files_limit();  // restored for commands: some close every fd up to it
  // On failure the limit stays, and the fd budget follows it.
  (void)raise_open_files().ok();
  LinuxCatalog catalog(netns_sources(netns_directories(options.config, configuration.config)), configuration.config.links);
  if (const auto may = catalog.may_enter(); !may) throw std::runtime_error(enter_error_text(may.error().code));
  InstanceLock instance_lock({options.lock_file, options.audit}, netns_directories(options.config, configuration.config));
  Metrics metrics;
  SnapshotSlot slot;
  Log log(2, options.log_level, options.log_format);
  std::optional<WebAccess> access;
  if (!options.web.config_file.empty()) access.emplace(options.web.config_file, log, metrics);
  const WebServer web(options.web, {&metrics, &slot, [&reload_requests] { return reload_requests.request(); }},
                      access ? &*access : nullptr);
  // When the loop ends, including by an exception, the desk releases HTTP threads that wait for a verdict. Otherwise the server
  // would wait for them.
  const auto close = [](ReloadRequests* open) { open->close(); };
  const std::unique_ptr<ReloadRequests, decltype(close)> closing(&reload_requests, close);

  const BuildInfo build = build_info();
  const std::string kernel = kernel_release();
  log.info("nswarden starting", {{"version", build.version}, {"revision", build.revision}, {"kernel", kernel}});
  for (const std::string& address : web.addresses()) {
    const std::string url = fmt::format("{}://{}{}", web.scheme(), address, options.web.telemetry_path);
    log.info("listening", {{"address", address}, {"metrics", url}});
  }
  instance_lock.update_locks(log);
  ServiceNotices service(environment, log);
  Loop({options, signals, waker, reload_requests, catalog, metrics, slot, log, files, instance_lock, service},
       std::move(configuration), {fd_budget(open_files_limit()), first_limit})
      .run();
}

}  // namespace

int run_daemon(const DaemonOptions& options) {
  // The watch precedes the read, so no change in between is lost.
  PathWatcher files(configuration_path(options.config));
  auto loaded = load_configuration(options.config);
  if (const auto* none = std::get_if<RejectedConfig>(&loaded)) {
    for (const std::string& line : none->lines) print_to_stderr(line);
    return exit_usage;
  }
  try {
    serve(options, std::get<LoadedConfig>(std::move(loaded)), files);
    return 0;
  } catch (const std::bad_alloc&) {
    throw;  // main reports it
  } catch (const std::system_error& error) {
    std::string message = error.what();
    const std::string plain = error_text(error.code().value());
    if (message.ends_with(plain))
      message.replace(message.size() - plain.size(), plain.size(), with_remedy(error.code().value()));
    print_to_stderr(message);
    return exit_usage;
  } catch (const std::exception& error) {
    for (std::string_view lines = error.what(); !lines.empty();) print_to_stderr(take_until(lines, '\n'));
    return exit_usage;
  }
}

}  // namespace nswarden
