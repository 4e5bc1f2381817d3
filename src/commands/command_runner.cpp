// SPDX-License-Identifier: Apache-2.0
#include "commands/command_runner.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "commands/command_server.hpp"

namespace nswarden {
namespace {

struct Pair {
  Fd ours;
  Fd theirs;
};

/// Messages, so that one never mixes with another, and an end that is seen when the other side dies.
Result<Pair> make_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) return Error{errno, "make socket"};
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

/// Ours, but for what only concerns us: a command must not speak to the service manager in our name.
std::vector<std::string> inherited_environment() {
  constexpr std::array<std::string_view, 7> private_names{
      "NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_FDS=", "LISTEN_PID=", "NETNS=", "NSWARDEN_EVENT="};
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const bool is_private =
        std::any_of(private_names.begin(), private_names.end(), [&](std::string_view name) { return text.starts_with(name); });
    if (!is_private) variables.emplace_back(text);
  }
  return variables;
}

CommandResult without_output(std::uint64_t id, CommandResult::End end) {
  CommandResult result;
  result.id = id;
  result.end = end;
  return result;
}

}  // namespace

CommandRunner::CommandRunner(std::size_t open_files) : open_files_(open_files) {}

CommandRunner::~CommandRunner() { stop_server(); }

Result<void> CommandRunner::start_server() {
  auto requests = make_pair();
  if (!requests) return requests.error();
  auto results = make_pair();
  if (!results) return results.error();
  // All memory that the child needs, because another thread may hold the allocator's locks when it is forked.
  std::vector<std::string> variables = inherited_environment();
  CommandServer::Setup setup;
  setup.requests = requests->theirs.get();
  setup.results = results->theirs.get();
  setup.open_files = open_files_;
  for (std::string& variable : variables) setup.environment.push_back(variable.data());
  setup.inherited = setup.environment.size();
  setup.environment.resize(setup.inherited + max_added_variables + 1, nullptr);

  server_ = ::fork();
  if (server_ < 0) return Error{errno, "fork"};
  if (server_ == 0) CommandServer(setup).run();
  requests_ = std::move(requests->ours);
  results_ = std::move(results->ours);
  return {};
}

void CommandRunner::stop_server() {
  requests_.reset();
  results_.reset();  // supervisors see this end, and end what they watch over
  if (server_ < 0) return;
  // It waits in our place for nothing, and may be stopped.
  ::kill(server_, SIGKILL);
  while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {
  }
  server_ = -1;
}

Result<void> CommandRunner::start(const CommandRequest& request) {
  if (!requests_) {
    if (const Result<void> started = start_server(); !started) return started.error();
  }
  const RequestHead head{request.id, request.timeout.count(), static_cast<std::uint32_t>(1 + request.environment.size()),
                         request.capabilities};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  message.append(request.command).append(1, '\0');
  for (const std::string& variable : request.environment) message.append(variable).append(1, '\0');
  if (message.size() > max_request || request.environment.size() > max_added_variables) return Error{E2BIG, "send command"};
  if (::send(requests_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return Error{errno, "send command"};
  }
  running_.push_back(request.id);
  return {};
}

std::vector<CommandResult> CommandRunner::read() {
  std::vector<CommandResult> all;
  std::array<char, max_result> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (results_) {
    const ssize_t size = ::recv(results_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    ResultHead head;
    if (size < static_cast<ssize_t>(sizeof head)) break;
    std::memcpy(&head, bytes.data(), sizeof head);
    CommandResult& result = all.emplace_back(without_output(head.id, head.end));
    result.code = head.code;
    result.left_running = head.left_running;
    result.output_size = head.output_size;
    result.head.assign(bytes.data() + sizeof head, head.head_size);
    result.tail.assign(bytes.data() + sizeof head + head.head_size, head.tail_size);
    std::erase(running_, head.id);
  }
  // The server never sends anything this way: it can only end.
  char end = 0;
  if (requests_ && ::recv(requests_.get(), &end, 1, MSG_DONTWAIT) == 0) {
    stop_server();
    for (const std::uint64_t id : std::exchange(running_, {})) all.push_back(without_output(id, CommandResult::End::lost));
  }
  return all;
}

}  // namespace nswarden
