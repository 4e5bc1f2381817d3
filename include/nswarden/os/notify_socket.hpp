// SPDX-License-Identifier: Apache-2.0
// NotifySocket sends sd_notify(3) messages to the service manager, over the datagram socket named by $NOTIFY_SOCKET. Sending
// never blocks. Loop thread only.
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
  /// A path, or a name in the abstract namespace with `@` instead of its NUL; empty without a service manager.
  explicit NotifySocket(std::string address);

  [[nodiscard]] bool has_listener() const { return !address_.empty(); }
  /// Lines of NAME=VALUE. EAGAIN: the manager is busy and did not receive them.
  [[nodiscard]] Result<void> send(std::string_view lines) const;

 private:
  std::string address_;
  Fd fd_;
  int error_ = 0;  // from creating the socket
};

/// Settings of the service manager in the environment. Read before other threads start.
struct ServiceEnvironment {
  std::string notify_socket;                          ///< empty if unset
  std::optional<std::chrono::microseconds> watchdog;  ///< the manager kills the process after this time without a message
};
ServiceEnvironment service_environment();

}  // namespace nswarden
