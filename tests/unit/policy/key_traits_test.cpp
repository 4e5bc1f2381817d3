// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key_traits.hpp>

#include <vector>

#include <nswarden/policy/value.hpp>

#include "catch.hpp"

using namespace nswarden;

namespace {

KeyTraits of_numbers(std::uint8_t count) { return {.form = ValueForm::numbers, .numbers = count}; }
KeyTraits of_form(ValueForm form) { return {.form = form}; }

std::string problem(std::string_view path, std::string_view value) {
  return value_problem(value, traits_of(path)).value_or("");
}

}  // namespace

TEST_CASE("the table says how many numbers a key has, and in which form") {
  struct Row {
    std::string_view path;
    ValueForm form;
    int numbers;
  };
  const std::vector<Row> rows{
      {"ipv4/tcp_rmem", ValueForm::numbers, 3},
      {"ipv4/tcp_mem", ValueForm::numbers, 3},
      {"ipv4/ip_local_port_range", ValueForm::numbers, 2},
      {"ipv4/ping_group_range", ValueForm::numbers, 2},
      {"ipv4/tcp_syncookies", ValueForm::numbers, 1},
      {"ipv4/conf/eth0/rp_filter", ValueForm::numbers, 1},
      {"ipv4/conf/eth0.100/rp_filter", ValueForm::numbers, 1},
      {"ipv6/conf/all/forwarding", ValueForm::numbers, 1},
      {"ipv6/conf/*/forwarding", ValueForm::numbers, 1},
      {"netfilter/nf_conntrack_tcp_loose", ValueForm::numbers, 1},
      {"netfilter/nf_log/2", ValueForm::words, 0},
      {"ipv4/icmp_ratelimit", ValueForm::milliseconds, 1},
      {"ipv4/neigh/eth0/retrans_time_ms", ValueForm::milliseconds, 1},
      {"ipv6/neigh/default/retrans_time_ms", ValueForm::milliseconds, 1},
      {"ipv4/neigh/eth0/locktime", ValueForm::clock_ticks, 1},
      {"ipv4/neigh/eth0/gc_stale_time", ValueForm::numbers, 1},
      {"ipv4/ip_local_reserved_ports", ValueForm::ports, 0},
      {"ipv6/icmp/ratemask", ValueForm::ports, 0},
      {"ipv4/icmp_ratemask", ValueForm::numbers, 1},
      {"core/rps_default_mask", ValueForm::mask, 0},
      {"ipv4/tcp_congestion_control", ValueForm::words, 0},
      {"ipv4/tcp_allowed_congestion_control", ValueForm::names, 0},
      {"ipv4/tcp_fastopen_key", ValueForm::hex, 0},
      {"ipv6/conf/eth0/stable_secret", ValueForm::ipv6, 0},
      {"sctp/sctp_mem", ValueForm::numbers, 3},
      {"ipv4/some_key_of_tomorrow", ValueForm::words, 0},
      {"ipv4/conf", ValueForm::words, 0},
      {"nothing", ValueForm::words, 0},
      {"", ValueForm::words, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    const KeyTraits traits = traits_of(row.path);
    CHECK(traits.form == row.form);
    CHECK(traits.numbers == row.numbers);
  }
}

TEST_CASE("of a key whose last component has a glob nothing is known") {
  for (const auto path : {"netfilter/nf_conntrack_*", "ipv4/tcp_?mem", "ipv6/conf/eth0/[sf]*", "ipv6/conf/*/*"}) {
    CAPTURE(path);
    CHECK(traits_of(path) == KeyTraits{});
  }
}

TEST_CASE("a glob in an interface's place stands for interfaces") {
  for (const auto path : {"ipv6/conf/*/stable_secret", "ipv6/conf/eth[0-9]/stable_secret", "ipv6/conf/q?-*/stable_secret"}) {
    CAPTURE(path);
    CHECK(traits_of(path) == traits_of("ipv6/conf/eth0/stable_secret"));
  }
  CHECK(traits_of("ipv4/conf/*/forwarding").waits_for_rtnl);
}

TEST_CASE("secrets are known by their names, those of tomorrow too") {
  for (const auto path : {"ipv4/tcp_fastopen_key", "ipv6/conf/default/stable_secret", "ipv6/conf/eth0/stable_secret",
                          "mptcp/tcp_fastopen_key", "ipv9/x/stable_secret", "core/bpf_jit_harden"}) {
    CAPTURE(path);
    CHECK(traits_of(path).secret);
  }
  for (const auto path : {"ipv4/tcp_fastopen", "ipv4/conf/stable_secret/rp_filter", "ipv4/xtcp_fastopen_key"}) {
    CAPTURE(path);
    CHECK_FALSE(traits_of(path).secret);
  }
}

TEST_CASE("the table says who can read and write a key, and where") {
  CHECK(traits_of("ipv4/route/flush").write_only);
  CHECK(traits_of("ipv6/route/flush").write_only);
  CHECK_FALSE(traits_of("ipv4/route/min_pmtu").write_only);
  CHECK(traits_of("netfilter/nf_conntrack_count").read_only);
  CHECK(traits_of("ipv4/conf/eth0/mc_forwarding").read_only);
  CHECK_FALSE(traits_of("ipv4/conf/eth0/bc_forwarding").read_only);
  CHECK(traits_of("netfilter/nf_hooks_lwtunnel").global);
  CHECK_FALSE(traits_of("netfilter/nf_conntrack_tcp_loose").global);
  CHECK(traits_of("netfilter/nf_conntrack_max").read_only_in_child);
  CHECK(traits_of("core/rmem_max").read_only_in_child);
  CHECK_FALSE(traits_of("core/somaxconn").read_only_in_child);
  CHECK(traits_of("core/netdev_budget").host_only);
  CHECK(traits_of("ipv4/neigh/default/gc_thresh1").host_only);
  CHECK(traits_of("ipv4/neigh/default/locktime").host_only);
  CHECK_FALSE(traits_of("ipv4/neigh/eth0/locktime").host_only);
  CHECK_FALSE(traits_of("ipv4/neigh/*/locktime").host_only);
  CHECK_FALSE(traits_of("ipv4/conf/default/rp_filter").host_only);
}

TEST_CASE("handlers that use the caller's netns are known by their family, however deep") {
  for (const auto path : {"sctp/rto_min", "mptcp/enabled", "rds/tcp/rds_tcp_rcvbuf", "sctp/sctp_mem"}) {
    CAPTURE(path);
    CHECK(traits_of(path).needs_entering);
  }
  for (const auto path : {"ipv4/conf/sctp/rp_filter", "sctpx/rto_min", "ipv4/sctp/x"}) {
    CAPTURE(path);
    CHECK_FALSE(traits_of(path).needs_entering);
  }
}

TEST_CASE("a value that a key cannot have is refused for what is known of the key") {
  struct Row {
    std::string_view path;
    std::string value;
    std::string reason;  ///< substring of the reason; empty: accepted
  };
  const std::string long_list(4000, '1');
  const std::vector<Row> rows{
      {"ipv4/tcp_rmem", "4096 87380 6291456", ""},
      {"ipv4/tcp_rmem", "4096\t87380\t6291456", ""},
      {"ipv4/tcp_rmem", "4096", "expected 3 numbers, found 1"},
      {"ipv4/tcp_rmem", "4096 87380", "expected 3 numbers"},
      {"ipv4/tcp_syncookies", "1 2", "expected 1 number,"},
      {"ipv4/tcp_syncookies", "1", ""},
      {"ipv4/tcp_syncookies", "-1", ""},
      {"ipv4/tcp_syncookies", "yes", "expected only numbers"},
      {"ipv4/tcp_syncookies", "1.5", "expected only numbers"},
      {"ipv4/tcp_syncookies", "010", "octal"},
      {"ipv4/tcp_syncookies", "0x1", "hexadecimal"},
      {"ipv4/tcp_syncookies", "+1", "plus"},
      {"ipv4/tcp_syncookies", "", "empty"},
      {"ipv4/tcp_syncookies", "1\n", "newline"},
      {"ipv4/tcp_syncookies", "4294967295", ""},
      {"ipv4/tcp_syncookies", "4294967296", "out of range"},
      {"ipv4/tcp_syncookies", "-2147483648", ""},
      {"ipv4/tcp_syncookies", "-2147483649", "out of range"},
      {"ipv4/tcp_syncookies", "18446744073709551616", "numbers"},
      {"ipv4/tcp_comp_sack_delay_ns", "4294967296", ""},
      {"ipv4/tcp_comp_sack_delay_ns", "18446744073709551615", ""},
      {"ipv4/icmp_ratelimit", "2147483647", ""},
      {"ipv4/icmp_ratelimit", "2147483648", "out of range"},
      {"ipv4/icmp_ratelimit", "4294967296", "out of range"},
      {"ipv4/icmp_ratelimit", "-1", "out of range"},
      {"ipv4/neigh/eth0/locktime", "100", ""},
      {"ipv4/neigh/eth0/locktime", "2147483647", "out of range"},
      {"ipv4/neigh/eth0/locktime", "-1", "out of range"},
      {"ipv4/ip_local_reserved_ports", "8080,9000-9010", ""},
      {"ipv4/ip_local_reserved_ports", "00080", "65535"},
      {"ipv4/ip_local_reserved_ports", "8080, 9000", "without spaces"},
      {"ipv4/ip_local_reserved_ports", "9010-9000", "65535"},
      {"ipv4/ip_local_reserved_ports", "65536", "65535"},
      {"ipv4/ip_local_reserved_ports", "http", "65535"},
      {"ipv4/ip_local_reserved_ports", long_list, "65535"},
      {"ipv6/conf/eth0/stable_secret", "2001:db8::1", ""},
      {"ipv6/conf/eth0/stable_secret", "2001:db8:1", "IPv6"},
      {"ipv6/conf/eth0/stable_secret", "01:02:03:04:05:06:07:08", ""},
      {"core/rps_default_mask", "00000003", ""},
      {"core/rps_default_mask", "0f", ""},
      {"core/rps_default_mask", "0x3", "mask"},
      {"core/rps_default_mask", "0-3", "mask"},
      {"ipv4/tcp_fastopen_key", "00000000-00000001-000000ab-ffffffff", ""},
      {"ipv4/tcp_fastopen_key", "1-2-3-4,5-6-7-8", ""},
      {"ipv4/tcp_fastopen_key", "1-2-3", "four groups"},
      {"ipv4/tcp_fastopen_key", "1-2-3-4,5", "four groups"},
      {"ipv4/tcp_fastopen_key", "1-2-3-4,1-2-3-4,1-2-3-4", "four groups"},
      {"ipv4/tcp_fastopen_key", "1-2-3-g", "four groups"},
      {"ipv4/tcp_allowed_congestion_control", "reno cubic", ""},
      {"ipv4/tcp_congestion_control", "bbr", ""},
      {"ipv4/some_key_of_tomorrow", "1 2 3 x", ""},
      {"ipv4/some_key_of_tomorrow", "010", "octal"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path, row.value);
    const std::string reason = problem(row.path, row.value);
    CHECK(reason.empty() == row.reason.empty());
    CHECK(reason.find(row.reason) != std::string::npos);
  }
}

TEST_CASE("the reason for a refused value never repeats it, which may be a secret") {
  for (const auto path : {"ipv4/tcp_fastopen_key", "ipv6/conf/eth0/stable_secret", "ipv4/tcp_syncookies", "ipv4/tcp_rmem"}) {
    CAPTURE(path);
    const std::string reason = problem(path, "c0ffee77 55");
    CHECK_FALSE(reason.empty());
    CHECK(reason.find("c0ffee77") == std::string::npos);
    CHECK(reason.find("55") == std::string::npos);
  }
}

TEST_CASE("a bound is one number for all of a vector, or one for each") {
  const KeyTraits three = of_numbers(3);
  CHECK_FALSE(bound_problem("4096", three));
  CHECK_FALSE(bound_problem("4096 1 2", three));
  CHECK(bound_problem("4096 1", three));
  CHECK(bound_problem("x", three));
  CHECK(bound_problem("1 2", of_numbers(1)));
  CHECK_FALSE(bound_problem("1", of_form(ValueForm::words)));
}
