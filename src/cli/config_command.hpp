// SPDX-License-Identifier: Apache-2.0
// `nswarden config`: check, convert, events and schema. They print to stdout and return the exit code of the contract. Main thread.
#pragma once

#include <nswarden/cli/options.hpp>
#include <nswarden/config/configuration.hpp>

namespace nswarden {

/// `config check`: the configuration has been read, so that it is good.
int check_configuration(const Options& options, const LoadedConfig& configuration);

/// `config convert`: the older form as native policies.
int print_converted(const LoadedConfig& configuration);

int print_events();
int print_schema();

}  // namespace nswarden
