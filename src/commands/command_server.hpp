// SPDX-License-Identifier: Apache-2.0
// The process that waits for commands and forks a supervisor for each. Runs in a fork of a program that has threads, so it
// allocates nothing, and it ends when its requests end. Children are as kernel fact 36 wants them.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "commands/command_wire.hpp"

namespace nswarden {

class CommandServer {
 public:
  struct Setup {
    int requests = -1;
    int results = -1;
    std::size_t open_files = 0;
    std::vector<char*> environment;  ///< `inherited` variables, and room for max_added_variables and the null at its end
    std::size_t inherited = 0;
  };
  explicit CommandServer(Setup& setup) : setup_(setup) {}

  [[noreturn]] void run();

 private:
  struct Child {
    pid_t pid = 0;
    std::uint64_t id = 0;
  };
  void become_server();
  void take_request();
  void supervise(const RequestHead& head, char* strings);
  void reap();
  static void send_result(std::uint64_t id, CommandResult::End end, int code);

  Setup& setup_;
  int ended_children_ = -1;
  std::array<Child, 64> children_{};
  std::array<char, max_request> request_{};
};

}  // namespace nswarden
