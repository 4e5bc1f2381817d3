// SPDX-License-Identifier: Apache-2.0
// The process that runs and supervises one command. It is a subreaper, so that all descendants of the command stay below it,
// even in other sessions and groups. Keeps the beginning and the end of the output, ends everything at the time limit or when
// the daemon is gone, sends the result, and exits. Allocates nothing.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>

#include "commands/command_wire.hpp"

namespace nswarden {

class CommandSupervisor {
 public:
  CommandSupervisor(int results, const RequestHead& request);

  [[noreturn]] void run(const char* command, char* const* environment);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage { running, terminating, killing };

  void start(const char* command, char* const* environment);
  void wait_for_event();
  void read_output(std::size_t at_most);
  void keep(const char* bytes, std::size_t size);
  void advance();
  void begin(Stage stage);
  [[nodiscard]] bool reap_orphans() const;
  [[noreturn]] void fail(CommandResult::End end, int code);
  [[noreturn]] void finish();

  int results_;
  RequestHead request_;
  Clock::time_point due_;
  Stage stage_ = Stage::running;
  bool orphaned_ = false;
  pid_t shell_ = -1;
  int output_ = -1;
  int ended_children_ = -1;
  ResultHead result_;
  std::array<char, output_part> head_{};
  std::array<char, output_part> tail_{};
};

}  // namespace nswarden
