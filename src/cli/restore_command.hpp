// SPDX-License-Identifier: Apache-2.0
// Restores values for the one-shot commands, and reports the result. Main thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nswarden/cli/options.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/console.hpp>
#include <nswarden/restore/restore_netns.hpp>

namespace nswarden {

/// `apply --restore`: restores the saved values in the named netns, or all. Throws std::runtime_error while a daemon governs
/// one of the directories, and prevents other instances from starting meanwhile. Returns the documented exit code.
int restore_values(const Options& options, const LoadedConfig& configuration);

/// Saves the values that `apply` overwrote for policies with `restore`, for a later restore. Prints to stderr if they cannot
/// be saved, for example while a daemon holds the restore book.
void keep_overwritten(const Options& options, const PolicySet& policies, const std::vector<Report>& reports);

/// Report of `apply --restore`.
struct RestoreReport {
  struct Setting {
    std::string netns;  ///< label, bytes
    Restored result;
  };
  std::vector<Setting> settings;  ///< by netns, then in write order
  std::size_t netns = 0;          ///< number with entries
  std::size_t elsewhere = 0;      ///< entries of absent netns: dead, or in other directories
};

/// A table for people, JSON (schema 1) for programs. Pure.
std::string restore_table(const RestoreReport& report, Colour colour);
std::string restore_json(const RestoreReport& report);

}  // namespace nswarden
