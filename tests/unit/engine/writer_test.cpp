// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/writer.hpp>

#include <string>
#include <vector>

#include "catch.hpp"

namespace nswarden {
namespace {

const std::string id(64, 'a');
const std::string other(64, '1');

struct Case {
  std::string path;
  std::string container;
  std::string unit;
};

void check(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    CAPTURE(one.path);
    const CgroupNames names = names_of_cgroup(one.path);
    CHECK(names.container == one.container);
    CHECK(names.unit == one.unit);
  }
}

TEST_CASE("the path of a cgroup tells the container, as each runtime names it") {
  check({
      {"/system.slice/docker-" + id + ".scope", id, "docker-" + id + ".scope"},
      {"/docker/" + id, id, ""},
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-" + id + ".scope", id,
       "cri-containerd-" + id + ".scope"},
      {"/kubepods.slice/kubepods-pod1.slice/crio-" + id + ".scope/container", id, "crio-" + id + ".scope"},
      {"/kubepods/besteffort/pod8f3c1d32-0000-4000-8000-000000000000/" + id, id, ""},
      {"/machine.slice/libpod-" + id + ".scope/container", id, "libpod-" + id + ".scope"},
      {"/libpod_parent/libpod-" + id, id, ""},
  });
}

TEST_CASE("a container in a container is the one that counts, and so is a unit inside") {
  check({
      {"/docker/" + other + "/docker/" + id, id, ""},
      {"/system.slice/docker-" + id + ".scope/system.slice/cron.service", id, "cron.service"},
  });
}

TEST_CASE("what only looks like a container is none") {
  check({
      {"/docker/" + id.substr(1), "", ""},
      {"/docker/" + id + "a", "", ""},
      {"/docker/" + std::string(64, 'A'), "", ""},
      {"/docker/" + std::string(64, 'g'), "", ""},
      {"/machine.slice/libpod-conmon-" + id + ".scope", "", "libpod-conmon-" + id + ".scope"},
      {"/machine.slice/machine-web.scope", "", "machine-web.scope"},
  });
}

TEST_CASE("the unit is the innermost one, and a slice only where there is nothing better") {
  check({
      {"/system.slice/keepalived.service", "", "keepalived.service"},
      {"/system.slice/system-openvpn.slice/openvpn@home.service", "", "openvpn@home.service"},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-shell.scope", "", "app-shell.scope"},
      {"/user.slice/user-1000.slice/user@1000.service/session.slice", "", "user@1000.service"},
      {"/user.slice/user-1000.slice/session-3.scope", "", "session-3.scope"},
      {"/system.slice/ssh.socket", "", "ssh.socket"},
      {"/system.slice/srv-data.mount", "", "srv-data.mount"},
      {"/system.slice/dev-vda2.swap", "", "dev-vda2.swap"},
      {"/system.slice/agent.service/worker", "", "agent.service"},
      {"/user.slice/user-1000.slice", "", "user-1000.slice"},
      {"/init.scope", "", "init.scope"},
      {"/../system.slice/cron.service", "", "cron.service"},
      {"/.service/.slice", "", ""},
      {"/", "", ""},
      {"", "", ""},
      {"//", "", ""},
  });
}

TEST_CASE("the underscore that systemd puts before a name is taken off again") {
  check({
      {"/system.slice/_cpu.service", "", "cpu.service"},
      {"/system.slice/__odd.service", "", "_odd.service"},
      {"/system.slice/a_b.service", "", "a_b.service"},
  });
}

}  // namespace
}  // namespace nswarden
