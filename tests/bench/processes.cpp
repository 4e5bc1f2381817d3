// SPDX-License-Identifier: Apache-2.0
#include "processes.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <nswarden/os/fd.hpp>
#include <nswarden/policy/key.hpp>

#include "private_netns.hpp"

namespace nswarden::bench {
namespace {

using Clock = std::chrono::steady_clock;

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

/// Forks a child that exits with the result of `body`, and at the latest with its parent.
pid_t start(const std::function<int()>& body) {
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  check(pid >= 0, "fork");
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A parent in another PID namespace has number 0.
  if (const pid_t now = ::getppid(); now != parent && now != 0) ::_exit(1);
  int status = 1;
  try {
    status = body();
  } catch (const std::exception& thrown) {
    fmt::print(stderr, "{}\n", thrown.what());
  }
  std::fflush(nullptr);
  ::_exit(status);
}

void wait_for(pid_t pid, int options) {
  int status = 0;
  while (::waitpid(pid, &status, options) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) || WIFSIGNALED(status)) throw std::runtime_error("a process of the benchmark has ended");
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  return ntohs(address.sin_port);
}

void run_daemon(const Daemon::Settings& settings, std::uint16_t port, const std::string& config) {
  leave_first_core();
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int standard = 0; standard <= 2; ++standard) ::dup2(null.get(), standard);
  if (settings.open_files != 0) {
    const rlimit limit{settings.open_files, settings.open_files};
    check(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  }
  std::vector<std::string> arguments{settings.binary,
                                     "run",
                                     "--config.file=" + config,
                                     "--netns.dir=" + test::netns_dir(),
                                     "--reconcile.interval=" + settings.interval,
                                     "--log.level=warn",
                                     fmt::format("--web.listen-address=127.0.0.1:{}", port)};
  if (!settings.web_config.empty()) arguments.push_back("--web.config.file=" + settings.web_config);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(pointers[0], pointers.data());
  ::_exit(127);
}

std::string write_config(const Daemon::Settings& settings) {
  std::string text = fmt::format("version: 1\npolicies:\n  - name: bench\n    netns: {}\n    sysctls:\n", settings.prefix);
  for (const std::string& key : settings.keys) text += fmt::format("      net/{}: 1\n", key);
  std::string path = test::netns_dir() + "/.bench.yaml";
  test::write_file(path, text);
  return path;
}

void bare_loop(int fanotify) {
  const pid_t self = ::getpid();
  alignas(fanotify_event_metadata) std::array<char, 4096> events{};
  while (true) {
    ssize_t left = ::read(fanotify, events.data(), events.size());
    const auto* event = reinterpret_cast<const fanotify_event_metadata*>(events.data());
    for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
      if (event->pid != self) (void)::pwrite(event->fd, "1", 1, 0);
      ::close(event->fd);
    }
  }
}

}  // namespace

int isolated(std::chrono::seconds limit, const std::function<int()>& action) {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWPID) != 0) {
    fmt::print(stderr, "skipped: a benchmark needs root, for namespaces of its own\n");
    return 77;
  }
  std::fflush(nullptr);
  const pid_t pid = start([&] {
    test::netns_dir();
    check(::mount("proc", "/proc", "proc", 0, nullptr) == 0, "mount /proc");
    return action();
  });
  // SIGALRM kills process 1, and thereby the whole namespace.
  ::alarm(static_cast<unsigned>(limit.count()));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

Child::Child(const std::function<void()>& body)
    : pid_((std::fflush(nullptr), start([&] {
              body();
              return 0;
            }))) {}

Child::~Child() {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Child::stop() const {
  ::kill(pid_, SIGSTOP);
  wait_for(pid_, WUNTRACED);
}

void Child::go() const {
  ::kill(pid_, SIGCONT);
  wait_for(pid_, WCONTINUED);
}

Daemon::Daemon(const Settings& settings)
    : port_(free_port()),
      config_(write_config(settings)),
      ask_(settings.ask),
      child_([&] { run_daemon(settings, port_, config_); }) {
  const auto began = Clock::now();
  while (get("/-/ready").find(" 200 ") == std::string::npos) {
    if (::waitpid(child_.pid(), nullptr, WNOHANG) != 0) throw std::runtime_error(settings.binary + " run has ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  start_ = Clock::now() - began;
}

std::string Daemon::get(const std::string& path) const {
  if (ask_) return ask_(port_, path);
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port_);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n", path);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  std::array<char, 65536> chunk{};
  for (ssize_t size = 0; (size = ::recv(socket.get(), chunk.data(), chunk.size(), 0)) > 0;) {
    answer.append(chunk.data(), static_cast<std::size_t>(size));
  }
  return answer;
}

double Daemon::metric(const std::string& sample) const {
  const std::string page = get("/metrics");
  const std::string start_of_line = "\n" + sample + " ";
  const std::size_t at = page.find(start_of_line);
  if (at == std::string::npos) throw std::runtime_error("no metric " + sample);
  return std::strtod(page.c_str() + at + start_of_line.size(), nullptr);
}

void Daemon::sweep() const {
  const auto sweeps = [&] { return metric("nswarden_reconcile_duration_seconds_count"); };
  const double before = sweeps();
  check(::kill(child_.pid(), SIGHUP) == 0, "kill");
  while (sweeps() == before) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

std::unique_ptr<Child> start_bare_loop() {
  // Opened before the fork, so that the group exists without a gap; the child reads the events.
  const Fd fanotify(::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDWR | O_CLOEXEC));
  check(static_cast<bool>(fanotify), "fanotify_init");
  check(::fanotify_mark(fanotify.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, AT_FDCWD, "/proc") == 0,
        "fanotify_mark");
  return std::make_unique<Child>([&] {
    leave_first_core();
    bare_loop(fanotify.get());
  });
}

void leave_first_core() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) < 2) return;
  std::size_t first = 0;
  while (!CPU_ISSET(first, &cores)) ++first;
  CPU_CLR(first, &cores);
  (void)::sched_setaffinity(0, sizeof cores, &cores);
}

OnFirstCore::OnFirstCore() {
  if (::sched_getaffinity(0, sizeof before_, &before_) != 0 || CPU_COUNT(&before_) < 2) return;
  std::size_t first = 0;
  while (!CPU_ISSET(first, &before_)) ++first;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  CPU_SET(first, &wanted);
  (void)::sched_setaffinity(0, sizeof wanted, &wanted);
}

OnFirstCore::~OnFirstCore() { (void)::sched_setaffinity(0, sizeof before_, &before_); }

void spin() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) {
    int last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &cores)) --last;
    CPU_ZERO(&cores);
    CPU_SET(last, &cores);
    (void)::sched_setaffinity(0, sizeof cores, &cores);
  }
  for (volatile unsigned long turns = 0;;) turns = turns + 1;
}

}  // namespace nswarden::bench
