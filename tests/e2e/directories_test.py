# SPDX-License-Identifier: Apache-2.0
"""The netns directory itself comes, goes and is covered (kernel fact 9)."""

import os
import subprocess

import harness
from harness import NETNS_DIR, add_netns, config, get, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class Directories(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))

    def test_a_directory_that_is_absent_at_the_start_is_watched_once_it_is_made(self):
        self.assertFalse(os.path.exists(NETNS_DIR))
        daemon = self.start(interval="1h")
        self.assertEqual(daemon.scrape().sum("netns"), 0)
        subprocess.run(["ip", "netns", "add", "router-1"], check=True)  # makes it and mounts it on itself
        self.wait_value("router-1", KEY, WANT)
        add_netns("router-2")
        self.wait_value("router-2", KEY, WANT)

    def test_a_directory_whose_parents_are_absent_too_is_watched_once_it_is_made(self):
        directory = "/run/containers/deep/netns"
        self.start(interval="1h", netns_dirs=[directory])
        add_netns("router-1", directory)
        self.wait_value("router-1", KEY, WANT, directory)

    def test_a_directory_that_is_removed_and_made_again_is_watched_again(self):
        os.mkdir(NETNS_DIR)
        daemon = self.start(interval="1h")
        for number in range(5):
            add_netns(f"router-{number}")
            self.wait_value(f"router-{number}", KEY, WANT)
            harness.delete_netns(f"router-{number}")
            os.rmdir(NETNS_DIR)
            daemon.wait_metrics(lambda metrics: metrics.sum("netns") == 0, "no netns")

    def test_a_directory_covered_by_another_mount_is_seen_as_it_is_now(self):
        add_netns("router-below")
        daemon = self.start(interval="1h")
        harness.mount("tmpfs", NETNS_DIR, b"tmpfs")
        add_netns("router-above")
        self.wait_value("router-above", KEY, WANT)
        daemon.wait_metrics(lambda metrics: metrics.sum("netns") == 1, "the covered netns is not counted")
        harness.delete_netns("router-above")
        harness.umount(NETNS_DIR)
        daemon.wait_metrics(lambda metrics: metrics.sum("netns") == 1, "the uncovered netns is back")
        self.assertEqual(get("router-below", KEY), str(WANT))

    def test_the_directory_can_be_unmounted_while_the_daemon_runs(self):
        # An open directory would make it busy (kernel fact 9).
        os.mkdir(NETNS_DIR)
        harness.mount("tmpfs", NETNS_DIR, b"tmpfs")
        daemon = self.start()
        daemon.wait_sweeps()
        subprocess.run(["umount", NETNS_DIR], check=True)  # not the lazy one

    def test_netns_of_a_second_directory_are_governed_under_their_path(self):
        add_netns("router-1")
        add_netns("router-1", "/run/second")
        daemon = self.start("--audit", netns_dirs=[NETNS_DIR, "/run/second"])
        metrics = daemon.wait_sweeps()
        self.assertEqual(metrics.labels("sysctl_drift", "netns"), ["/run/second/router-1", "router-1"])


if __name__ == "__main__":
    harness.main()
