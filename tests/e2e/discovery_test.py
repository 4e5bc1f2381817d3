# SPDX-License-Identifier: Apache-2.0
"""Discovery of netns: which are found, how soon, and which entries are left alone."""

import os
import subprocess

import harness
from harness import MS_BIND, NETNS_DIR, add_netns, config, delete_netns, get, mount_netns, path_of, place_file, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
ROUTERS = policy("routers", "^router-", {KEY: WANT})


class Discovery(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(ROUTERS))

    def start_slow(self):
        """The next sweep comes after the end of the test: only events can cause earlier reactions."""
        return self.start(interval="1h")

    def wait_governed(self, daemon, count, policy_name="routers"):
        return daemon.wait_metrics(lambda metrics: metrics.sum("netns", policy=policy_name) == count, f"{count} netns")

    def test_a_netns_that_was_there_before_is_set_right_in_the_first_sweep(self):
        add_netns("router-1")
        add_netns("other-1")
        daemon = self.start_slow()
        self.assertEqual(get("router-1", KEY), str(WANT))
        self.assertEqual(get("other-1", KEY), "7200")
        metrics = daemon.scrape()
        self.assertEqual(metrics.sum("netns", policy="routers"), 1)
        self.assertEqual(metrics.sum("netns_unmatched"), 1)
        self.assertEqual(metrics.sum("managed_sysctls", policy="routers"), 1)
        self.assertEqual(metrics.sum("drifted_sysctls", policy="routers"), 0)
        self.assertEqual(metrics.sum("drift_detected_total", source="startup"), 1)
        self.assertEqual(metrics.sum("actions_total", action="write", result="success"), 1)
        self.assertEqual(metrics.sum("reconciles_total", trigger="startup"), 1)

    def test_a_new_netns_is_governed_at_once_and_not_at_the_next_sweep(self):
        os.mkdir(NETNS_DIR)
        daemon = self.start_slow()
        add_netns("router-1")
        self.wait_value("router-1", KEY, WANT)
        metrics = self.wait_governed(daemon, 1)
        self.assertEqual(metrics.sum("drift_detected_total", source="create"), 1)
        self.assertGreaterEqual(metrics.sum("events_total", source="inotify", event="IN_CREATE"), 1)
        self.assertEqual(metrics.sum("time_to_compliance_seconds_count", trigger="create"), 1)

    def test_iproute2_makes_and_deletes_netns_that_are_governed_and_forgotten(self):
        daemon = self.start_slow()
        for number in range(20):
            subprocess.run(["ip", "netns", "add", f"router-{number}"], check=True)
        for number in range(20):
            self.wait_value(f"router-{number}", KEY, WANT)
        self.wait_governed(daemon, 20)
        for number in range(20):
            subprocess.run(["ip", "netns", "delete", f"router-{number}"], check=True)
        metrics = self.wait_governed(daemon, 0)
        self.assertEqual(metrics.sum("managed_sysctls"), 0)
        self.assertEqual(metrics.sum("bound_sysctls"), 0)
        self.assertEqual(metrics.sum("netns_pending"), 0)

    def test_a_netns_that_is_deleted_and_made_again_at_once_is_a_new_one(self):
        add_netns("router-1")
        daemon = self.start_slow()
        for _ in range(30):
            delete_netns("router-1")
            add_netns("router-1")
            self.wait_value("router-1", KEY, WANT)
        self.wait_governed(daemon, 1)

    def test_a_netns_that_gets_the_number_of_one_just_unmounted_is_not_governed_by_its_name(self):
        # Kernel facts 2 and 4: no event reports that the name leads elsewhere now; the inode number is the only link.
        self.start_slow()
        for count in range(60):  # uses up the free inode numbers, so that the next one that is freed is soon reused
            add_netns(f"other-{count}")
        again = turn = 0
        while again < 3 and turn < 20:
            turn += 1
            add_netns("router-1")
            self.wait_value("router-1", KEY, WANT)
            number = os.stat(path_of("router-1")).st_ino
            file = harness.inside("router-1", lambda: open(harness.key_path(KEY), "rb"))
            harness.umount(path_of("router-1"))
            harness.wait_until(lambda: self.is_dead(file), "the netns is dead")
            names = [f"other-{turn}-{count}" for count in range(8)]
            for name in names:
                add_netns(name)
            again += number in [os.stat(path_of(name)).st_ino for name in names]
            # Its event follows theirs and causes a visit.
            add_netns("router-last")
            self.wait_value("router-last", KEY, WANT)
            self.assertEqual({name: get(name, KEY) for name in names}, dict.fromkeys(names, "7200"))
            for name in (*names, "router-last"):
                delete_netns(name)
            os.unlink(path_of("router-1"))
        if not again:
            self.skipTest("this kernel does not give a number out again so soon")

    @staticmethod
    def is_dead(file):
        try:
            os.pread(file.fileno(), 64, 0)
        except FileNotFoundError:
            file.close()
            return True
        return False

    def test_a_half_made_netns_is_pending_and_governed_as_soon_as_it_is_mounted(self):
        os.mkdir(NETNS_DIR)
        daemon = self.start_slow()
        place_file("router-1")
        daemon.wait_metrics(lambda metrics: metrics.sum("netns_pending") == 1, "one pending netns")
        mount_netns("router-1")
        self.wait_value("router-1", KEY, WANT)
        daemon.wait_metrics(lambda metrics: metrics.sum("netns_pending") == 0, "no pending netns")

    def test_two_names_of_one_netns_are_one_netns_and_either_name_matches(self):
        self.configure(config(ROUTERS, policy("others", "^other-", {"net.ipv4.tcp_keepalive_intvl": 33})))
        add_netns("router-b")
        for name in ("other-c", "aaa"):
            place_file(name)
            harness.mount(path_of("router-b"), path_of(name), b"none", MS_BIND)
        daemon = self.start("--audit")
        metrics = daemon.wait_sweeps()
        self.assertEqual(metrics.sum("netns", policy="routers"), 1)
        self.assertEqual(metrics.sum("netns", policy="others"), 1)
        self.assertEqual(metrics.sum("managed_sysctls"), 2)
        self.assertEqual(metrics.labels("sysctl_drift", "netns"), ["aaa", "aaa"])  # the first in byte order
        delete_netns("aaa")
        daemon.wait_metrics(lambda m: m.labels("sysctl_drift", "netns") == ["other-c", "other-c"], "the next name")
        delete_netns("router-b")
        metrics = self.wait_governed(daemon, 0)
        self.assertEqual(metrics.labels("sysctl_drift", "policy"), ["others"])

    def test_nothing_keeps_a_dead_netns_alive(self):
        add_netns("router-1")
        self.start_slow()
        # Such an fd does not keep the netns alive either, and returns ENOENT once it is dead (kernel fact 5).
        witness = harness.inside("router-1", lambda: os.open(harness.key_path(KEY), os.O_RDONLY | os.O_CLOEXEC))
        try:
            self.assertEqual(os.pread(witness, 64, 0), b"%d\n" % WANT)
            delete_netns("router-1")

            def is_dead():
                try:
                    os.pread(witness, 64, 0)
                except FileNotFoundError:
                    return True
                return False

            harness.wait_until(is_dead, "the netns is dead", deadline=5)
        finally:
            os.close(witness)


if __name__ == "__main__":
    harness.main()
