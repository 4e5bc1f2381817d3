// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>
#include <new>
#include <variant>

#include <nswarden/cli/one_shot.hpp>
#include <nswarden/cli/options.hpp>
#include <nswarden/daemon/daemon.hpp>
#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/report/console.hpp>

int main(int argc, char** argv) {
  using namespace nswarden;
  nswarden::fill_standard_fds();
  nswarden::raise_permitted_capabilities();
  try {
    const auto parsed = parse_options(argc, argv);
    if (const int* code = std::get_if<int>(&parsed)) return *code;
    const auto& options = std::get<Options>(parsed);
    if (!choose_procfs(options)) return exit_usage;
    return options.command == Command::run ? run_daemon(options) : run_one_shot(options);
  } catch (const std::bad_alloc&) {
    std::fputs("nswarden: out of memory; raise the memory limit of the unit or container\n", stderr);
    return exit_usage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nswarden: %s\n", error.what());
    return exit_usage;
  }
}
