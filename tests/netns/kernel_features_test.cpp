// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/kernel_features.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "kernel.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

std::string limits() {
  std::string all;
  for (const std::string& limit : kernel_limits()) all += limit + '\n';
  return all;
}

TEST_CASE("features are found by trying, and each limit names its feature and what is weaker") {
  test::netns_dir();
  test::on_older_kernel(
      [] {
        for (const std::string name :
             {"openat2", "netns cookies", "pidfd in fanotify events", "errors in fanotify events", "netns cookie by ioctl"}) {
          CAPTURE(name);
          CHECK_FALSE(has_kernel_feature(name));
        }
        CHECK(limits().starts_with("no netns cookies (Linux 5.14): a netns without a mounted name may be taken for a new one"));
        CHECK(limits().find("\nno pidfd in fanotify events (Linux 5.15): writers are not named\n") != std::string::npos);
      },
      test::Cookies::none);
  if (has_kernel_feature("netns cookies")) {
    test::on_older_kernel([] { CHECK(limits().find("cookies") == std::string::npos); });
  }
}

TEST_CASE("since Linux 6.1 nothing is weaker") {
  test::netns_dir();
  if (KernelVersion{6, 0} < test::running_kernel()) CHECK(limits().empty());
  if (KernelVersion{6, 17} < test::running_kernel()) {
    for (const KernelFeature& feature : kernel_features()) {
      CAPTURE(feature.name);
      CHECK(feature.is_available());
    }
  }
}

}  // namespace
}  // namespace nswarden
