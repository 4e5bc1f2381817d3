// SPDX-License-Identifier: Apache-2.0
// Restoring by the commands that run once, and the report of it. Main thread.
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

/// `apply --restore`: restores the values of the book in the netns that were named, or all. Throws std::runtime_error while a daemon
/// governs one of the directories, and keeps others from starting meanwhile. Returns the exit code of the contract.
int restore_values(const Options& options, const LoadedConfig& configuration);

/// What `apply` overwrote for policies with `restore`, so that it can be put back. Says so on stderr when it cannot be kept, as
/// while a daemon keeps the book.
void keep_overwritten(const Options& options, const PolicySet& policies, const std::vector<Report>& reports);

/// Of `apply --restore`.
struct RestoreReport {
  struct Setting {
    std::string netns;  ///< label, bytes
    Restored result;
  };
  std::vector<Setting> settings;  ///< by netns, then in write order
  std::size_t netns = 0;          ///< that had entries
  std::size_t elsewhere = 0;      ///< entries of netns that are not there: dead, or in other directories
};

/// A table for people, JSON (schema 1) for programs. Pure text.
std::string restore_table(const RestoreReport& report, Colour colour);
std::string restore_json(const RestoreReport& report);

}  // namespace nswarden
