# SPDX-License-Identifier: Apache-2.0
"""States of a setting: drifted, missing, read-only, rejected, clamped, audited."""

import os
import time

import harness
from harness import add_netns, config, get, policy, put

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
READ_ONLY = "net.netfilter.nf_conntrack_max"  # 0444 except in the first netns (kernel fact 30)
CLAMPED = "net.ipv4.ping_group_range"  # an empty range reads back as 1 0
BACKWARD = "5 1"
REJECTED = "net.ipv4.ip_default_ttl"  # EINVAL above 255
OF_INTERFACE = "net.ipv4.conf.veth0.rp_filter"  # also represents keys of modules (kernel fact 38)
BOUNDARY = "net.ipv4.tcp_keepalive_intvl"


class Enforcement(harness.Case):
    def start_with(self, sysctls, *arguments, mode=None, **options):
        self.configure(config(policy("routers", "^router-", sysctls, mode, allow_global=True)))
        return self.start(*arguments, **options)

    def states(self, metrics):
        return {(dict(key)["sysctl"], dict(key)["reason"]) for key in metrics.all("sysctl_drift")}

    def test_drift_is_repaired_within_one_interval(self):
        add_netns("router-1")
        daemon = self.start_with({KEY: WANT}, interval="1s")
        longest = 0.0
        for value in (1, 2, 3):
            put("router-1", KEY, value)
            broken = time.monotonic()
            self.wait_value("router-1", KEY, WANT)
            longest = max(longest, time.monotonic() - broken)
        self.assertLess(longest, 1 + harness.TIME_FACTOR, "an interval, and a second for a busy machine")
        metrics = daemon.wait_metrics(lambda m: m.sum("drift_detected_total", sysctl=KEY) == 4, "each drift counted once")
        self.assertEqual(metrics.sum("actions_total", action="write", result="success"), 4)
        self.assertEqual(metrics.sum("sysctl_drift"), 0)
        changes = [line for line in daemon.lines if line.get("key") == KEY and line.get("have") == "2" and line["level"] != "debug"]
        self.assertTrue(changes, daemon.log())
        self.assertEqual((changes[0]["netns"], changes[0]["want"]), ("router-1", str(WANT)))

    def test_what_is_right_is_never_written(self):
        # Writing forwarding again would overwrite the interface (kernel fact 26).
        add_netns("router-1")
        put("router-1", "net.ipv6.conf.all.forwarding", 1)
        put("router-1", "net.ipv6.conf.lo.forwarding", 0)
        daemon = self.start_with({"net.ipv6.conf.all.forwarding": 1})
        metrics = daemon.wait_sweeps(3)
        self.assertEqual(get("router-1", "net.ipv6.conf.lo.forwarding"), "0")
        self.assertEqual(metrics.sum("actions_total"), 0)

    def test_a_key_that_another_key_changes_ends_as_wanted(self):
        # ip_forward 0->1 and 1->0 change conf.* (kernel fact 27).
        add_netns("router-1")
        wants = {"net.ipv4.conf.all.accept_redirects": 1, "net.ipv4.conf.default.send_redirects": 0, "net.ipv4.ip_forward": 1}
        daemon = self.start_with(wants)
        daemon.wait_metrics(lambda metrics: metrics.sum("drifted_sysctls") == 0, "all right")
        self.assertEqual({key: get("router-1", key) for key in wants}, {key: str(value) for key, value in wants.items()})

    def test_each_kind_of_trouble_is_shown_and_stops_no_other_key(self):
        add_netns("router-1")
        daemon = self.start_with({READ_ONLY: 77777, CLAMPED: BACKWARD, REJECTED: 999, OF_INTERFACE: 2, KEY: WANT})
        self.assertEqual(get("router-1", KEY), str(WANT))
        metrics = daemon.wait_metrics(lambda m: (CLAMPED, "clamped") in self.states(m), "the clamped key")
        self.assertEqual(self.states(metrics),
                         {(READ_ONLY, "value"), (CLAMPED, "clamped"), (REJECTED, "value"), (OF_INTERFACE, "missing")})
        self.assertEqual(metrics.sum("managed_sysctls", policy="routers"), 5)
        self.assertEqual(metrics.sum("drifted_sysctls", policy="routers"), 4)
        self.assertGreaterEqual(metrics.sum("action_failures_total", action="write", reason="einval"), 1)
        self.assertGreaterEqual(metrics.sum("action_failures_total", action="write", reason="readback"), 1)
        self.assertGreaterEqual(metrics.sum("action_failures_total", reason="eacces"), 1)
        self.assertEqual(get("router-1", CLAMPED).split(), ["1", "0"])

    def test_a_clamped_key_is_not_written_for_ever(self):
        add_netns("router-1")
        daemon = self.start_with({CLAMPED: BACKWARD}, interval="100ms")
        daemon.wait_metrics(lambda m: (CLAMPED, "clamped") in self.states(m), "the clamped key")
        written = daemon.wait_sweeps(2).sum("actions_total", action="write")
        self.assertLessEqual(daemon.wait_sweeps(10).sum("actions_total", action="write"), written + 1)

    def test_a_missing_key_is_found_when_it_appears_and_again_after_it_went(self):
        add_netns("router-1")
        daemon = self.start_with({OF_INTERFACE: 2, KEY: WANT})
        self.assertEqual(self.states(daemon.scrape()), {(OF_INTERFACE, "missing")})
        for _ in range(2):
            harness.run_inside("router-1", "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
            self.wait_value("router-1", OF_INTERFACE, 2)
            daemon.wait_metrics(lambda m: m.sum("drifted_sysctls") == 0, "nothing drifted")
            harness.run_inside("router-1", "ip", "link", "del", "veth0")
            daemon.wait_metrics(lambda m: self.states(m) == {(OF_INTERFACE, "missing")}, "missing again")

    def test_a_missing_key_is_never_created_and_makes_no_attempt(self):
        add_netns("router-1")
        daemon = self.start_with({"net.ipv4.no_such_key": 1})
        metrics = daemon.wait_sweeps(3)
        self.assertEqual(metrics.sum("actions_total"), 0)
        self.assertEqual(metrics.sum("action_failures_total"), 0)
        self.assertEqual(self.states(metrics), {("net.ipv4.no_such_key", "missing")})

    def test_the_states_of_a_secret_are_shown_and_its_values_are_not(self):
        add_netns("router-1")
        secret = "net.ipv4.tcp_fastopen_key"
        value = "01234567-89abcdef-01234567-89abcdef"
        daemon = self.start_with({secret: value})
        self.wait_value("router-1", secret, value)
        stranger = "76543210-fedcba98-76543210-fedcba98"
        put("router-1", secret, stranger)
        self.wait_value("router-1", secret, value)
        text = daemon.scrape_text() + daemon.log() + daemon.http("GET", "/")[2].decode()
        daemon.wait_log(lambda line: line.get("have") == "redacted", "a line about the secret")
        self.assertNotIn(value, text)
        self.assertNotIn(stranger, text)

    def check_audit(self, daemon):
        put("router-1", KEY, 4321)
        daemon.wait_metrics(lambda m: self.states(m) == {(KEY, "value"), (BOUNDARY, "value")}, "both drifted")
        metrics = daemon.wait_sweeps(3)
        self.assertEqual(get("router-1", KEY), "4321")
        self.assertEqual(get("router-1", BOUNDARY), "75")
        self.assertEqual(metrics.sum("actions_total"), 0)
        self.assertEqual(metrics.sum("enforcement_enabled", policy="routers"), 0)

    def test_a_policy_in_audit_mode_writes_nothing(self):
        add_netns("router-1")
        self.check_audit(self.start_with({KEY: WANT, BOUNDARY: 74}, mode="audit"))

    def test_the_flag_audit_overrules_policies_that_enforce(self):
        add_netns("router-1")
        self.check_audit(self.start_with({KEY: WANT, BOUNDARY: 74}, "--audit", mode="enforce"))

    def test_the_later_policy_owns_a_key_that_both_name_and_the_conflict_is_counted(self):
        add_netns("router-1")
        self.configure(config(policy("first", "^router-", {KEY: 1111, BOUNDARY: 33}), policy("second", ".*-1$", {KEY: WANT})))
        daemon = self.start()
        metrics = daemon.wait_sweeps()
        self.assertEqual((get("router-1", KEY), get("router-1", BOUNDARY)), (str(WANT), "33"))
        self.assertEqual(metrics.sum("policy_conflicts", policy="first"), 1)
        self.assertEqual(metrics.sum("policy_conflicts", policy="second"), 0)
        self.assertEqual(metrics.sum("managed_sysctls", policy="first"), 1)
        self.assertEqual(metrics.sum("managed_sysctls", policy="second"), 1)

    def test_the_built_in_policy_governs_neutron_routers(self):
        add_netns("qrouter-1")
        add_netns("qdhcp-1")
        key = "net.netfilter.nf_conntrack_tcp_be_liberal"
        # Without --config.file: a file at the default path would be another policy.
        if os.path.isdir("/etc/nswarden"):
            harness.mount("tmpfs", "/etc/nswarden", b"tmpfs")
            self.addCleanup(harness.umount, "/etc/nswarden")
        daemon = harness.Daemon()
        self.addCleanup(self._end, daemon)
        self.assertEqual((get("qrouter-1", key), get("qdhcp-1", key)), ("1", "0"))
        self.assertEqual(daemon.scrape().sum("netns", policy="neutron-routers"), 1)


if __name__ == "__main__":
    harness.main()
