// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nswarden/os/line_writer.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace nswarden {

LineWriter::LineWriter(int fd) : fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  kind_ = Kind::polled;
  if (S_ISREG(status.st_mode)) {
    kind_ = Kind::plain;
  } else if (S_ISSOCK(status.st_mode)) {
    kind_ = Kind::socket;
  } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    // Setting O_NONBLOCK on the fd itself would affect every process that shares it, including the user's shell.
    own_.reset(::open(path_of_fd(fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own_) {
      kind_ = Kind::plain;
      fd_ = own_.get();
    }
  }
}

LineWriter::~LineWriter() { flush(); }

bool LineWriter::write(std::string_view line) {
  if (drain() == Progress::broken || line.size() > capacity - waiting()) return false;
  buffer_.append(line);
  return drain() != Progress::broken;
}

void LineWriter::flush() { drain(); }

LineWriter::Progress LineWriter::drain() {
  Progress progress = Progress::all;
  while (waiting() > 0) {
    std::string_view rest = buffer_;
    rest.remove_prefix(written_);
    const long count = put(rest);
    if (count > 0) {
      written_ += static_cast<std::size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    progress = count == 0 || errno == EAGAIN || errno == EWOULDBLOCK ? Progress::blocked : Progress::broken;
    break;
  }
  // After an error, a later reader starts with a whole line.
  buffer_.erase(0, progress == Progress::broken ? buffer_.size() : written_);
  written_ = 0;
  return progress;
}

long LineWriter::put(std::string_view bytes) const {
  switch (kind_) {
    case Kind::plain: return ::write(fd_, bytes.data(), bytes.size());
    case Kind::socket: return ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    case Kind::none: errno = EBADF; return -1;
    case Kind::polled: break;
  }
  pollfd ready{fd_, POLLOUT, 0};
  const int polled = ::poll(&ready, 1, 0);
  if (polled <= 0) return polled;
  // A writable pipe takes PIPE_BUF bytes; a longer write could block.
  return ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
}

}  // namespace nswarden
