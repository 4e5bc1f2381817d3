// SPDX-License-Identifier: Apache-2.0
// Clients of the daemon's HTTP server on loopback: a single client that waits for its response, and crowds that send requests
// continuously, stay silent, or send or read as slowly as possible. A crowd is one process that has the lowest priority on
// the first core, where the measuring client runs, and does not use the other cores, where the daemon runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "drifts.hpp"
#include "processes.hpp"

namespace nswarden::bench {

enum class Speech { http, gzip, tls };

/// The response to GET PATH from connect() to its end; empty if it is missing for 60 s or truncated.
std::string ask(std::uint16_t port, const std::string& path, Speech speech);
/// Whether it is a 200 with a complete body.
bool is_complete_answer(const std::string& answer);

enum class Behaviour {
  storm,        ///< requests /metrics again after each response
  silent,       ///< sends nothing
  slow_sender,  ///< sends a byte of its request each second
  slow_reader,  ///< reads a byte of the response each second, with a minimal buffer, and reconnects after 5 s
  half_hello,   ///< sends half a ClientHello
  whole_hello,  ///< sends a ClientHello and stops
};

struct Crowd {
  Behaviour behaviour = Behaviour::storm;
  std::size_t clients = 0;
};

enum class Priority { none, usual };

/// A process with crowds of clients, which reconnect as soon as the server disconnects them.
class Load {
 public:
  /// Returns when all clients have connected.
  Load(std::uint16_t port, bool tls, std::vector<Crowd> crowds, Priority priority);
  /// Starts counting.
  void count();
  [[nodiscard]] std::uint64_t answers() const;
  [[nodiscard]] std::uint64_t failures() const;  ///< of the storm since its start: no connection, no response or a partial one
  [[nodiscard]] std::uint64_t closed_by_server() const;  ///< connections of other clients that the server closed
  [[nodiscard]] std::chrono::duration<double> time() const { return Clock::now() - since_; }
  /// Latencies of the storm, microseconds.
  [[nodiscard]] std::vector<double> took() const;

  struct Board;

 private:
  std::shared_ptr<Board> board_;
  std::uint64_t answers_before_ = 0;
  std::uint64_t closed_before_ = 0;
  Clock::time_point since_;
  std::unique_ptr<Child> child_;
};

}  // namespace nswarden::bench
