# SPDX-License-Identifier: Apache-2.0
"""The netns directory itself is created, removed, replaced and covered by a mount (kernel fact 9)."""

import os
import subprocess

import harness
import witness
from harness import NETNS_DIR, config, delete_netns, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class Directories(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))

    def test_a_directory_that_is_absent_at_the_start_is_watched_once_it_is_made(self):
        self.assertFalse(os.path.exists(NETNS_DIR))
        daemon = self.start(interval="1h")
        self.assertEqual(daemon.scrape().sum("netns"), 0)
        subprocess.run(["ip", "netns", "add", "router-1"], check=True)  # creates it and mounts it on itself
        self.wait_value("router-1", KEY, WANT)
        self.witness.record_netns("router-1")
        self.witness.add_netns("router-2")
        self.assert_governs_all_and_nothing_else(daemon, ["router-1", "router-2"])

    def test_a_directory_whose_parents_are_absent_too_is_watched_once_it_is_made(self):
        directory = "/run/containers/deep/netns"
        daemon = self.start(interval="1h", netns_dirs=[directory])
        self.witness.add_netns("router-1", directory)
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"], directory=directory)

    def test_a_directory_that_is_removed_and_made_again_is_watched_again(self):
        os.mkdir(NETNS_DIR)
        daemon = self.start(interval="1h")
        for number in range(5):
            self.witness.add_netns(f"router-{number}")
            self.assert_governs_all_and_nothing_else(daemon, [f"router-{number}"])
            delete_netns(f"router-{number}")
            os.rmdir(NETNS_DIR)
            daemon.wait_metrics(lambda metrics: metrics.sum("netns") == 0, "no netns")

    def test_a_directory_that_is_replaced_by_another_is_seen_as_it_is_now(self):
        self.witness.add_netns("router-1")
        daemon = self.start(interval="1h")
        for number in range(2, 6):
            self.witness.add_netns(f"router-{number}", "/run/next")
            os.rename(NETNS_DIR, f"/run/old-{number}")  # its netns survive, outside the reach of any policy
            os.rename("/run/next", NETNS_DIR)
            self.assert_governs_all_and_nothing_else(daemon, [f"router-{number}"])
        self.witness.add_netns("router-last")
        self.assert_governs_all_and_nothing_else(daemon, ["router-5", "router-last"])

    def test_a_directory_that_is_a_file_for_a_while_is_watched_once_it_is_one_again(self):
        os.mkdir(NETNS_DIR)
        daemon = self.start()
        os.rmdir(NETNS_DIR)
        harness.place_file("netns", "/run")
        daemon.wait_sweeps()
        os.unlink(NETNS_DIR)
        os.mkfifo(NETNS_DIR)
        daemon.wait_sweeps()
        os.unlink(NETNS_DIR)
        self.witness.add_netns("router-1")
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])

    def test_a_directory_covered_by_another_mount_is_seen_as_it_is_now(self):
        self.witness.add_netns("router-below")
        daemon = self.start(interval="1h")
        harness.mount("tmpfs", NETNS_DIR, b"tmpfs")
        self.witness.add_netns("router-above")
        self.assert_governs_all_and_nothing_else(daemon, ["router-above"])  # the covered one is not counted
        delete_netns("router-above")
        harness.umount(NETNS_DIR)
        self.assert_governs_all_and_nothing_else(daemon, ["router-below"])

    def test_a_directory_whose_parent_is_covered_is_seen_as_it_is_now(self):
        self.witness.add_netns("router-below")
        daemon = self.start(interval="1h")
        harness.mount("tmpfs", "/run", b"tmpfs")
        daemon.wait_metrics(lambda metrics: metrics.sum("netns") == 0, "no netns")
        self.witness.add_netns("router-above")
        self.assert_governs_all_and_nothing_else(daemon, ["router-above"])
        harness.umount("/run")
        self.assert_governs_all_and_nothing_else(daemon, ["router-below"])

    def test_the_directory_can_be_unmounted_while_the_daemon_runs(self):
        # An open directory would make it busy (kernel fact 9).
        os.mkdir(NETNS_DIR)
        harness.mount("tmpfs", NETNS_DIR, b"tmpfs")
        daemon = self.start()
        daemon.wait_sweeps()
        subprocess.run(["umount", NETNS_DIR], check=True)  # not a lazy unmount

    def test_netns_of_a_second_directory_are_governed_under_their_path(self):
        self.witness.add_netns("router-1")
        self.witness.add_netns("router-1", "/run/second")
        daemon = self.start("--audit", netns_dirs=[NETNS_DIR, "/run/second"])
        metrics = daemon.wait_sweeps()
        self.assertEqual(metrics.labels("sysctl_drift", "netns"), ["/run/second/router-1", "router-1"])
        self.assert_wrote_nothing_else(daemon)


if __name__ == "__main__":
    harness.main()
