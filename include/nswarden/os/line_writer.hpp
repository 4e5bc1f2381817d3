// SPDX-License-Identifier: Apache-2.0
// LineWriter writes lines to an fd that other processes share, such as stderr, and never blocks. Lines that the reader has not
// taken yet wait in a bounded buffer (kernel fact 36). Not thread-safe: its owner, the log, serialises calls.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nswarden/os/fd.hpp>

namespace nswarden {

class LineWriter {
 public:
  /// Size of the buffer in bytes.
  static constexpr std::size_t capacity = std::size_t{256} * 1024;

  /// `fd` remains the caller's, with its file status flags, because other processes may share them. A pipe or terminal is
  /// opened again if permitted, for a private O_NONBLOCK. Never fails: lines for an fd that cannot be written are dropped. An
  /// fd that is closed now is never written to, even if its number is reused later.
  explicit LineWriter(int fd);
  /// Tries once more to write the buffer.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Takes the whole line, newline included, in order with the other lines. Returns false and takes nothing if it does not fit
  /// or the reader has closed its end. A write to a pipe without a reader raises SIGPIPE unless the process ignores it.
  bool write(std::string_view line);
  /// Writes as much of the buffer as the reader takes.
  void flush();
  [[nodiscard]] std::size_t waiting() const { return buffer_.size() - written_; }

 private:
  enum class Kind { none, plain, socket, polled };  // plain: a write never blocks
  enum class Progress { all, blocked, broken };

  Progress drain();
  [[nodiscard]] long put(std::string_view bytes) const;

  int fd_;
  Fd own_;
  Kind kind_ = Kind::none;
  std::string buffer_;
  std::size_t written_ = 0;  ///< bytes of buffer_ already written
};

}  // namespace nswarden
