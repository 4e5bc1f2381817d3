// SPDX-License-Identifier: Apache-2.0
#include "cli/restore_command.hpp"

#include <catch.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>

namespace nswarden {
namespace {

using Kind = Restored::Kind;

RestoreBook::Entry entry(const std::string& path, const std::string& found, const std::string& stored) {
  return {Key::at(path).value(), "routers", found, stored};
}

RestoreReport sample() {
  RestoreReport report;
  report.netns = 2;
  report.elsewhere = 3;
  report.settings = {
      {"r1", {entry("ipv4/ip_forward", "0", "1"), Kind::restored, 0, "0"}},
      {"r1", {entry("ipv4/tcp_keepalive_time", "7200", "600"), Kind::changed_by_others, 0, "5"}},
      {"r1", {entry("ipv4/conf/a\nb/rp_filter", "2", "1"), Kind::gone, 0, ""}},
      {"r2", {entry("ipv4/ip_forward", "0", "1"), Kind::netns_gone, 0, ""}},
      {"r2", {entry("ipv4/tcp_fastopen_key", "secret-1", "secret-2"), Kind::failed, EROFS, "secret-2"}},
      {"r2", {entry("ipv4/ip_local_reserved_ports", "", "80"), Kind::failed, 0, "90"}},
  };
  return report;
}

}  // namespace

TEST_CASE("the table of apply --restore shows each setting, what was found and what became of it") {
  CHECK(restore_table(sample(), Colour::never) ==
        "NETNS  KEY                               FOUND     HAVE      STATE                                          POLICY\n"
        "r1     net.ipv4.ip_forward               0         0         restored                                       routers\n"
        "r1     net.ipv4.tcp_keepalive_time       7200      5         changed by others                              routers\n"
        "r1     net.ipv4.conf.a\\x0ab.rp_filter    2         -         gone                                           routers\n"
        "r2     net.ipv4.ip_forward               0         -         gone                                           routers\n"
        "r2     net.ipv4.tcp_fastopen_key         redacted  redacted  failed (Read-only file system)                 routers\n"
        "r2     net.ipv4.ip_local_reserved_ports  -         90        failed (the kernel changed the written value)  routers\n"
        "2 netns, 6 settings: 1 restored, 1 changed by others, 2 gone, 2 failed; 3 in absent netns\n");
  CHECK(restore_table({}, Colour::never) == "0 netns, 0 settings: 0 restored, 0 changed by others, 0 gone, 0 failed\n");
  CHECK(restore_table(sample(), Colour::always).find("\x1b[32mrestored\x1b[0m") != std::string::npos);
}

TEST_CASE("the JSON of apply --restore has totals that add up, and no secrets") {
  const std::string text = restore_json(sample());
  const auto json = nlohmann::json::parse(text);
  CHECK(json["schema"] == 1);
  CHECK(json["restored"] == false);
  CHECK(json["totals"] ==
        nlohmann::json::parse(R"({"netns":2,"settings":6,"restored":1,"changed_by_others":1,"gone":2,"failed":2,
                                                   "elsewhere":3})"));
  CHECK(json["findings"].size() == 6);
  CHECK(json["findings"][1] == nlohmann::json::parse(R"({"netns":"r1","policy":"routers","key":"net.ipv4.tcp_keepalive_time",
                                                         "found":"7200","have":"5","state":"changed by others"})"));
  CHECK(json["findings"][2]["have"].is_null());
  CHECK(json["findings"][4]["error"] == "Read-only file system");
  CHECK(text.find("secret-") == std::string::npos);
  CHECK(nlohmann::json::parse(restore_json({}))["restored"] == true);
}

}  // namespace nswarden
