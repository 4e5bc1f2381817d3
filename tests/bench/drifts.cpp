// SPDX-License-Identifier: Apache-2.0
#include "drifts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "private_netns.hpp"
#include "processes.hpp"

namespace nswarden::bench {
namespace {

/// More than 5 repairs in 10 s suspend a setting; this stays well below.
constexpr std::chrono::milliseconds shortest_period{3500};

void write_value(const Fd& file, const char* value) {
  if (::pwrite(file.get(), value, 1, 0) != 1) throw std::system_error(errno, std::generic_category(), "write sysctl");
}

}  // namespace

/// A thread that makes one write on request and then sleeps, as a program that resets settings would. The observer spins on
/// another core, so that neither occupies the core of the repairing process.
class Herd::Culprit {
 public:
  Culprit() : thread_([this] { run(); }) {}
  ~Culprit() {
    file_ = stop;
    file_.notify_one();
    thread_.join();
  }
  Culprit(const Culprit&) = delete;
  Culprit& operator=(const Culprit&) = delete;

  /// Returns before the write.
  void write(int file) {
    written_ = false;
    file_ = file;
    file_.notify_one();
  }
  [[nodiscard]] bool has_written() const { return written_; }
  /// Start time of the write; waits for its completion.
  Clock::time_point began() const {
    while (!written_) {
    }
    return began_;
  }

 private:
  static constexpr int none = -1;
  static constexpr int stop = -2;

  void run() {
    leave_first_core();
    while (true) {
      file_.wait(none);
      const int file = file_.exchange(none);
      if (file == stop) return;
      began_ = Clock::now();
      // A failed write shows as a drift that is never observed.
      (void)!::pwrite(file, "0", 1, 0);
      written_ = true;
    }
  }

  std::atomic<int> file_ = none;
  std::atomic<bool> written_ = false;
  Clock::time_point began_;
  std::thread thread_;
};

double microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

bool is_compliant(const Fd& file) {
  char value = 0;
  return ::pread(file.get(), &value, 1, 0) == 1 && value == '1';
}

std::vector<Fd> open_inside(int proc, const std::vector<std::string>& keys) {
  // Opens each family once: the cost of a lookup below net grows with the number of netns (kernel fact 11).
  std::map<std::string, Fd> families;
  std::vector<Fd> files;
  for (const std::string& key : keys) {
    const std::size_t slash = key.find('/');
    Fd& family = families[key.substr(0, slash)];
    if (!family) family.reset(::openat(proc, ("sys/net/" + key.substr(0, slash)).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    files.emplace_back(::openat(family.get(), key.c_str() + slash + 1, O_RDWR | O_CLOEXEC));
    if (!files.back()) throw std::system_error(errno, std::generic_category(), "open " + key);
  }
  return files;
}

Herd::Herd(std::string prefix, std::vector<std::string> keys, std::size_t max_files)
    : prefix_(std::move(prefix)), keys_(std::move(keys)), max_files_(max_files) {}

Herd::~Herd() { resize(0); }

std::string Herd::path(std::size_t index) const { return fmt::format("{}/{}{:05}", test::netns_dir(), prefix_, index); }

void Herd::resize(std::size_t netns) {
  if (netns < size_) settings_.clear();
  while (size_ < netns) test::make_netns(path(size_++));
  while (size_ > netns) test::remove_netns(path(--size_));
}

void Herd::choose(std::mt19937& random) {
  settings_.clear();
  std::vector<std::size_t> order(size_);
  for (std::size_t i = 0; i < size_; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  order.resize(std::min(size_, max_files_ / keys_.size()));
  const Fd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const std::size_t index : order) {
    test::inside(path(index), [&] {
      for (Fd& file : open_inside(proc.get(), keys_)) {
        write_value(file, "1");
        settings_.push_back({std::move(file), {}});
      }
    });
  }
  // Cycles through all settings: none drifts again before every other one has.
  std::shuffle(settings_.begin(), settings_.end(), random);
  turn_ = 0;
}

void Herd::make_compliant() const {
  for (const Setting& setting : settings_) {
    if (!is_compliant(setting.file)) write_value(setting.file, "1");
  }
}

Herd::Setting& Herd::next() {
  Setting& setting = settings_[turn_++ % settings_.size()];
  if (setting.last != Clock::time_point()) std::this_thread::sleep_until(setting.last + shortest_period);
  return setting;
}

Clock::duration Herd::drift(std::chrono::seconds limit) {
  Setting& setting = next();
  if (!culprit_) culprit_ = std::make_unique<Culprit>();
  const OnFirstCore here;
  setting.last = Clock::now();
  culprit_->write(setting.file.get());
  // The repair may finish before the culprit's write returns: on a shared core, the repairing process may preempt it.
  bool seen_drifted = false;
  while (true) {
    for (int i = 0; i < 256; ++i) {
      const bool written = culprit_->has_written();
      const bool compliant = is_compliant(setting.file);
      if (compliant && (written || seen_drifted)) {
        const auto end = Clock::now();
        return end - culprit_->began();
      }
      seen_drifted = seen_drifted || !compliant;
    }
    if (Clock::now() - setting.last > limit) throw std::runtime_error("a drift of " + prefix_ + " was not repaired");
  }
}

std::vector<double> Herd::scattered(std::size_t count, std::chrono::milliseconds span, std::chrono::seconds limit,
                                    std::mt19937& random) {
  std::uniform_real_distribution<double> moment(0, 1);
  struct Drift {
    Clock::time_point due;
    Setting* setting;
    bool begun = false;
    double took = -1;
  };
  std::vector<Drift> drifts;
  const auto began = Clock::now();
  count = std::min(count, settings_.size());
  for (std::size_t i = 0; i < count; ++i) {
    Setting& setting = settings_[turn_++ % settings_.size()];
    drifts.push_back({began + std::chrono::duration_cast<Clock::duration>(span * moment(random)), &setting});
  }
  const auto step = [&](Drift& drift) {
    const auto now = Clock::now();
    if (drift.took >= 0 || now < drift.due) return drift.took >= 0;
    if (!drift.begun) {
      drift.begun = true;
      drift.due = Clock::now();
      write_value(drift.setting->file, "0");
    } else if (is_compliant(drift.setting->file) || now - drift.due > limit) {
      drift.took = microseconds(Clock::now() - drift.due);
    }
    return drift.took >= 0;
  };
  while (true) {
    std::size_t done = 0;
    for (Drift& drift : drifts) done += step(drift) ? 1 : 0;
    if (done == drifts.size()) break;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  std::vector<double> all;
  all.reserve(drifts.size());
  for (const Drift& drift : drifts) all.push_back(drift.took);
  return all;
}

}  // namespace nswarden::bench
