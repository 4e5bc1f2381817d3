// SPDX-License-Identifier: Apache-2.0
#include "web_values.hpp"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "private_netns.hpp"
#include "processes.hpp"

namespace nswarden::bench {

AllValues::AllValues(const Herd& herd, std::vector<std::string> keys) : herd_(herd), keys_(std::move(keys)) {
  const Fd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t i = 0; i < herd_.size(); ++i) {
    test::inside(herd_.path(i), [&] {
      for (Fd& file : open_inside(proc.get(), keys_)) held_.push_back(std::move(file));
    });
  }
}

double AllValues::read_held() const {
  const OnFirstCore here;
  const auto began = Clock::now();
  const bool compliant = std::all_of(held_.begin(), held_.end(), is_compliant);
  const double took = microseconds(Clock::now() - began);
  if (!compliant) throw std::runtime_error("a value is not as the daemon should keep it");
  return took;
}

double AllValues::read_by_name() const {
  double took = 0;
  bool compliant = true;
  std::thread([&] {
    const OnFirstCore here;
    const auto began = Clock::now();
    for (std::size_t i = 0; i < herd_.size(); ++i) {
      const Fd netns(::open(herd_.path(i).c_str(), O_RDONLY | O_CLOEXEC));
      compliant = compliant && netns && ::setns(netns.get(), CLONE_NEWNET) == 0;
      for (const std::string& key : keys_) {
        compliant = is_compliant(Fd(::open(("/proc/sys/net/" + key).c_str(), O_RDONLY | O_CLOEXEC))) && compliant;
      }
    }
    took = microseconds(Clock::now() - began);
  }).join();
  if (!compliant) throw std::runtime_error("a value is not as the daemon should keep it");
  return took;
}

}  // namespace nswarden::bench
