# SPDX-License-Identifier: Apache-2.0
"""The daemon, or a netns, is in namespaces other than the host's: sysctls that cannot be written, mounts that do not
propagate, a netns owned by another user namespace."""

import os
import subprocess
import time

import harness
import witness
from harness import MS_BIND, NETNS_DIR, config, path_of, place_file, policy, put

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
WANT = 1234
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
LACKING = "net.ipv6.route.gc_interval"  # in a netns owned by another user namespace (kernel fact 30)


class Elsewhere(witness.Case):
    WANTED = {"^router-": {KEY: WANT, OTHER: 55}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", self.WANTED["^router-"])))
        os.mkdir(NETNS_DIR)
        harness.mount("none", "/run", b"none", MS_SHARED)  # systemd's default
        self.addCleanup(harness.mount, "none", "/run", b"none", MS_PRIVATE)

    def start_after(self, command, propagation, **options):
        """In a separate mount namespace, in which `command` ran first."""
        prefix = ["unshare", "--mount", "--propagation", propagation, "sh", "-ec", f'{command}; exec "$@"', "sh"]
        return self.start(prefix=prefix, **options)


class ReadOnlySysctls(Elsewhere):
    READ_ONLY = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"

    def test_read_only_sysctls_are_read_told_and_repaired_as_soon_as_they_can_be(self):
        self.witness.add_netns("router-1")
        daemon = self.start_after(self.READ_ONLY, "slave")
        self.witness.add_netns("router-2")
        metrics = daemon.wait_metrics(lambda m: m.sum("drifted_sysctls") == 4, "all settings of both are drifted")
        self.assertGreater(metrics.sum("action_failures_total", reason="erofs"), 0)
        self.assertEqual(metrics.sum("netns"), 2)
        self.assertTrue(any("Read-only" in str(line) for line in daemon.lines), daemon.log())
        self.assertEqual(self.witness.hits(daemon.process.pid), [])
        lines = len(daemon.lines)
        daemon.wait_sweeps(5)
        told = [line for line in daemon.lines[lines:] if line["level"] != "debug"]
        self.assertLess(len(told), 20, "it is not told in every sweep")
        subprocess.run(["nsenter", "--mount", "--target", str(daemon.process.pid), "mount", "-o", "remount,bind,rw", "/proc/sys"],
                       check=True)
        self.assert_governs_all_and_nothing_else(daemon, ["router-1", "router-2"])

    def test_sysctls_that_become_read_only_while_it_runs_are_repaired_by_what_it_holds(self):
        self.witness.add_netns("router-1")
        daemon = self.start_after(":", "slave")
        subprocess.run(["nsenter", "--mount", "--target", str(daemon.process.pid), "sh", "-ec", self.READ_ONLY], check=True)
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])


class MountsThatNeverArrive(Elsewhere):
    def assert_reported(self, daemon):
        line = daemon.wait_log(lambda line: line["level"] == "error", "an error")
        self.assertIn("new netns are not visible", line["msg"])
        self.assertIn(NETNS_DIR, line["reason"])
        self.assertIn("mount is down: mounts of other processes in " + NETNS_DIR, daemon.http("GET", "/-/ready")[2].decode())
        self.assertEqual(daemon.scrape().sum("event_source_up", source="mount"), 0)

    def assert_not_reported(self, daemon):
        self.assertEqual([line for line in daemon.lines if line["level"] == "error"], [])
        self.assertEqual(daemon.scrape().sum("event_source_up", source="mount"), 1)

    def test_a_daemon_in_a_private_mount_namespace_says_so_loudly_and_governs_what_it_sees(self):
        self.witness.add_netns("router-1")
        daemon = self.start_after(":", "private")
        self.assert_reported(daemon)
        self.witness.add_netns("router-2")
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        self.assertEqual(harness.get("router-2", KEY), "7200")  # otherwise the test proves nothing

    def test_a_daemon_in_a_mount_namespace_that_is_a_slave_sees_all_and_complains_of_nothing(self):
        daemon = self.start_after(":", "slave")
        self.witness.add_netns("router-1")
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        self.assert_not_reported(daemon)

    def test_a_daemon_in_the_mount_namespace_of_process_1_complains_of_nothing(self):
        subprocess.run(["ip", "netns", "add", "router-1"], check=True)
        self.witness.record_netns("router-1")
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        self.assert_not_reported(daemon)

    def test_a_directory_that_a_container_engine_bound_without_propagation_is_told(self):
        # Process 1 is in the same namespaces here, as in a container, which leaves the daemon without a host to compare with.
        os.mkdir("/run/host")
        harness.mount("tmpfs", "/run/host", b"tmpfs")
        os.makedirs("/run/host/netns")
        harness.mount("/run/host/netns", NETNS_DIR, b"none", MS_BIND)
        harness.mount("none", NETNS_DIR, b"none", MS_PRIVATE)
        self.assert_reported(self.start())


class OwnedByAnother(Elsewhere):
    WANTED = {"^router-": {KEY: WANT, OTHER: 55, LACKING: 33}}

    def add_owned(self, name):
        """A netns owned by a user namespace: its first process."""
        process = subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo; exec sleep 1000"],
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdout.readline()
        place_file(name)
        harness.mount(f"/proc/{process.pid}/ns/net", path_of(name), b"none", MS_BIND)
        self.witness.record_netns(name)
        return process.pid

    def test_a_netns_owned_by_a_user_namespace_is_governed_and_what_it_lacks_is_told(self):
        self.witness.add_netns("router-ours")
        daemon = self.start()
        self.add_owned("router-theirs")
        self.assert_governs_all_and_nothing_else(daemon, ["router-ours", "router-theirs"], lacking={"router-theirs": [LACKING]})
        self.assertEqual([dict(key) for key in daemon.scrape().all("sysctl_drift")],
                         [{"policy": "routers", "netns": "router-theirs", "sysctl": LACKING, "reason": "missing"}])

    def test_root_of_a_user_namespace_who_fights_for_its_netns_disturbs_no_other(self):
        self.witness.add_netns("router-ours")
        daemon = self.start()
        pid = self.add_owned("router-theirs")
        fighter = subprocess.Popen(["nsenter", "--user", "--net", "--target", str(pid), "sh", "-c",
                                    f"while :; do echo 77 >{harness.key_path(KEY)}; done"])
        try:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                put("router-ours", KEY, 5)
                self.wait_value("router-ours", KEY, WANT)
        finally:
            fighter.kill()
            fighter.wait()
        put("router-theirs", KEY, WANT)  # a setting that did not keep its value is left alone for a minute
        self.assert_governs_all_and_nothing_else(daemon, ["router-ours", "router-theirs"], lacking={"router-theirs": [LACKING]})


if __name__ == "__main__":
    harness.main()
