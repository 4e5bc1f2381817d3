// SPDX-License-Identifier: Apache-2.0
// The commands that sweep once over the netns that were named, or all: check, apply, explain, and `config check --live`. Reports go
// to stdout, complaints to stderr; each returns the exit code of the contract. They throw std::system_error where the kernel refuses
// what they cannot do without. Main thread.
#pragma once

#include <nswarden/cli/options.hpp>
#include <nswarden/config/configuration.hpp>

namespace nswarden {

/// `check`, and `apply`, which repairs too and keeps what it overwrote for `apply --restore`.
int check_netns(const Options& options, const LoadedConfig& configuration);

int explain_netns(const Options& options, const LoadedConfig& configuration);

/// `config check --live`: warns of parts of the configuration that no present netns needs.
int review_configuration(const Options& options, const LoadedConfig& configuration);

}  // namespace nswarden
