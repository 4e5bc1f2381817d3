// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/slow_writer.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <nswarden/os/poller.hpp>
#include <nswarden/os/signals.hpp>
#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

/// Longer than the kernel holds RTNL for thousands of interfaces (kernel fact 23), and short enough for a shutdown within 2 s.
constexpr std::chrono::seconds shutdown_timeout{1};

struct Job {
  SlowWriter::Ticket ticket = 0;
  Fd file;
  std::string value;
  SlowWriter::Done done;
};

/// The key may have become compliant while the write was queued, and rewriting the current value is not harmless (kernel facts
/// 26 and 43). A file that cannot be read is written.
bool is_compliant(const Job& job) {
  std::array<char, 128> now;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t size = ::pread(job.file.get(), now.data(), now.size(), 0);
  return size > 0 && same_value({now.data(), static_cast<std::size_t>(size)}, job.value);
}

/// At offset 0 and in one call (kernel fact 12). A short count means that the kernel parsed the value in part; a reader sees
/// the stored value (kernel fact 28).
int write_now(const Job& job) {
  if (is_compliant(job)) return 0;
  return ::pwrite(job.file.get(), job.value.data(), job.value.size(), 0) < 0 ? errno : 0;
}

}  // namespace

/// The thread shares ownership, so that the destructor can abandon it in a hanging write. It only moves nodes between lists and
/// never allocates, so that only the write can fail.
struct SlowWriter::Shared {
  Waker waker;
  std::mutex mutex;
  std::condition_variable work_available;  // signals the thread: work or shutdown
  std::condition_variable thread_ended;    // signals the destructor
  std::list<Job> waiting;
  std::list<Job> done;
  Ticket last = 0;
  std::optional<Ticket> in_progress;  // nullopt also after cancel()
  std::size_t open = 0;               // files handed over and not closed yet
  bool stopping = false;
  bool ended = false;
  std::thread thread;

  void run() {
    std::list<Job> current;
    std::unique_lock lock(mutex);
    while (true) {
      work_available.wait(lock, [this] { return stopping || !waiting.empty(); });
      if (stopping) break;
      current.splice(current.begin(), waiting, waiting.begin());
      in_progress = current.front().ticket;
      lock.unlock();
      Job& job = current.front();
      job.done.error = write_now(job);
      job.file.reset();
      lock.lock();
      --open;
      if (std::exchange(in_progress, std::nullopt)) {
        done.splice(done.end(), current);
        waker.wake();
      } else {
        current.clear();
      }
    }
    ended = true;
    thread_ended.notify_all();
  }
};

SlowWriter::SlowWriter() : shared_(std::make_shared<Shared>()) {
  const SignalsBlocked blocked;
  shared_->thread = std::thread([shared = shared_] { shared->run(); });
}

SlowWriter::~SlowWriter() {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->waiting.clear();
  shared_->work_available.notify_one();
  const bool ended = shared_->thread_ended.wait_for(lock, shutdown_timeout, [this] { return shared_->ended; });
  lock.unlock();
  if (ended) {
    shared_->thread.join();
  } else {
    shared_->thread.detach();
  }
}

bool SlowWriter::has_room() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->open < max_files;
}

bool SlowWriter::idle() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->open == 0 && shared_->done.empty();
}

SlowWriter::Ticket SlowWriter::write(Fd file, std::string value, SysctlFiles::Place place) {
  std::list<Job> one;
  one.push_back({0, std::move(file), std::move(value), {place, 0}});
  const std::lock_guard lock(shared_->mutex);
  const Ticket ticket = one.front().ticket = ++shared_->last;
  shared_->waiting.splice(shared_->waiting.end(), one);
  ++shared_->open;
  shared_->work_available.notify_one();
  return ticket;
}

void SlowWriter::cancel(Ticket ticket) {
  const auto has_ticket = [ticket](const Job& job) { return job.ticket == ticket; };
  const std::lock_guard lock(shared_->mutex);
  shared_->open -= std::erase_if(shared_->waiting, has_ticket);
  std::erase_if(shared_->done, has_ticket);
  if (shared_->in_progress == ticket) shared_->in_progress.reset();
}

int SlowWriter::fd() const { return shared_->waker.fd(); }

std::vector<SlowWriter::Done> SlowWriter::take_done() {
  // First, so that a write that completes meanwhile wakes the loop once more.
  (void)shared_->waker.read();
  const std::lock_guard lock(shared_->mutex);
  std::vector<Done> taken;
  taken.reserve(shared_->done.size());
  for (const Job& job : shared_->done) taken.push_back(job.done);
  shared_->done.clear();
  return taken;
}

}  // namespace nswarden
