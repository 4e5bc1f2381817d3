// SPDX-License-Identifier: Apache-2.0
// Clients of the daemon's HTTP server, on loopback: one that waits for its answer, and crowds of those that ask all the time, say
// nothing, or speak or read as slowly as they can. A crowd is one process that has no priority at all on the first core, where
// who is measured is, and none of the other cores, where the daemon is.
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

/// The answer to GET PATH from connect() to the end, empty if there is none within 60 s or it is cut short.
std::string ask(std::uint16_t port, const std::string& path, Speech speech);
/// Whether it is a 200 with all of its body.
bool is_whole_answer(const std::string& answer);

enum class Manner {
  storm,        ///< asks for /metrics, again as soon as it has the answer
  silent,       ///< says nothing
  slow_words,   ///< says a byte of its request each second
  slow_ears,    ///< reads a byte of its answer each second, from a buffer as small as can be, and begins anew after 5 s
  half_hello,   ///< says half of what begins TLS
  whole_hello,  ///< begins TLS and does not go on
};

struct Crowd {
  Manner manner = Manner::storm;
  std::size_t clients = 0;
};

enum class Priority { none, usual };

/// All connect anew as soon as they are let go.
class Load {
 public:
  /// Returns when all have begun.
  Load(std::uint16_t port, bool tls, std::vector<Crowd> crowds, Priority priority);
  /// From here on.
  void count();
  [[nodiscard]] std::uint64_t answers() const;
  [[nodiscard]] std::uint64_t failures()
      const;                                   ///< of the storm: no connection, no answer or part of one; from the beginning on
  [[nodiscard]] std::uint64_t let_go() const;  ///< connections of the others that the server has ended
  [[nodiscard]] std::chrono::duration<double> time() const { return Clock::now() - since_; }
  /// Of the storm, microseconds.
  [[nodiscard]] std::vector<double> took() const;

  struct Board;

 private:
  std::shared_ptr<Board> board_;
  std::uint64_t answers_before_ = 0;
  std::uint64_t let_go_before_ = 0;
  Clock::time_point since_;
  std::unique_ptr<Child> child_;
};

}  // namespace nswarden::bench
