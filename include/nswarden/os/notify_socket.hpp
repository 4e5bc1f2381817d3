// SPDX-License-Identifier: Apache-2.0
// NotifySocket sends to the service manager by sd_notify(3): to the datagram socket that it names in $NOTIFY_SOCKET. Sending never
// waits. Loop thread only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class NotifySocket {
 public:
  /// A path, or a name in the abstract namespace with `@` in the place of its NUL; empty: nobody listens.
  explicit NotifySocket(std::string address);

  [[nodiscard]] bool listened_to() const { return !address_.empty(); }
  /// Lines of NAME=VALUE. EAGAIN: the manager is busy, and has not got it.
  [[nodiscard]] Result<void> send(std::string_view lines) const;

 private:
  std::string address_;
  Fd fd_;
  int error_ = 0;  // of making the socket
};

/// What the service manager has put into the environment. To be read before there are threads.
struct ServiceEnvironment {
  std::string notify_socket;                          ///< empty: none
  std::optional<std::chrono::microseconds> watchdog;  ///< the process is ended when it has been silent for as long
};
ServiceEnvironment service_environment();

}  // namespace nswarden
