// SPDX-License-Identifier: Apache-2.0
// LineWriter writes lines to an fd that other processes share, such as stderr, and never blocks: lines that the reader does not take
// wait in a bounded buffer (kernel fact 36). Not thread-safe: its owner, the log, serialises.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nswarden/os/fd.hpp>

namespace nswarden {

class LineWriter {
 public:
  /// How much may wait, bytes.
  static constexpr std::size_t capacity = std::size_t{256} * 1024;

  /// `fd` stays the caller's and keeps its file status flags: others may share them. A pipe or terminal is opened once more
  /// where that is allowed, for an O_NONBLOCK of our own. Never fails: lines for an fd that takes none are
  /// dropped, and one that is closed now is never written to, whatever gets its number later.
  explicit LineWriter(int fd);
  /// Tries once more to write what waits.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Takes the whole line, newline included, in order with the others, or nothing: false when it does not fit or when the
  /// reader has gone. A write to a pipe without reader raises SIGPIPE unless the process ignores it.
  bool write(std::string_view line);
  /// Writes what waits, as far as the reader takes it.
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
  std::size_t written_ = 0;  ///< how much of buffer_ is out already
};

}  // namespace nswarden
