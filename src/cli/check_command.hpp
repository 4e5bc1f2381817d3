// SPDX-License-Identifier: Apache-2.0
// The commands that sweep once over the named netns, or all: check, apply, explain, and `config check --live`. Reports are
// written to stdout, errors to stderr; each returns the documented exit code. They throw std::system_error when the kernel
// denies a required operation. Main thread.
#pragma once

#include <nswarden/cli/options.hpp>
#include <nswarden/config/configuration.hpp>

namespace nswarden {

/// `check`, and `apply`, which also repairs and saves overwritten values for `apply --restore`.
int check_netns(const Options& options, const LoadedConfig& configuration);

int explain_netns(const Options& options, const LoadedConfig& configuration);

/// `config check --live`: warns about parts of the configuration that none of the present netns needs.
int review_configuration(const Options& options, const LoadedConfig& configuration);

}  // namespace nswarden
