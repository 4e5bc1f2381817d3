// SPDX-License-Identifier: Apache-2.0
// What `apply --restore` tells: a table for people, JSON (schema 1) for programs. Pure text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nswarden/report/render.hpp>
#include <nswarden/restore/restore_netns.hpp>

namespace nswarden {

struct RestoreReport {
  struct Finding {
    std::string netns;  ///< label, bytes
    Restored result;
  };
  std::vector<Finding> findings;  ///< by netns, then in write order
  std::size_t netns = 0;          ///< that had entries
  std::size_t elsewhere = 0;      ///< entries of netns that are not there: dead, or in other directories

  [[nodiscard]] std::size_t count(Restored::What what) const;
};

std::string restore_table(const RestoreReport& report, Colour colour);
std::string restore_json(const RestoreReport& report);

}  // namespace nswarden
