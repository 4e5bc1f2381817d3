# SPDX-License-Identifier: Apache-2.0
"""One name for several netns; several names for one netns: mounts without an inotify event (kernel fact 2)."""

import os
import signal
import time

import harness
import witness
from harness import MS_BIND, NETNS_DIR, config, delete_netns, path_of, place_file, policy

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
WANT = 1234


def bind_second_name(name, other):
    place_file(other)
    harness.mount(path_of(name), path_of(other), b"none", MS_BIND)


class Stacked(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        os.mkdir(NETNS_DIR)

    def test_each_netns_of_a_stack_is_governed_while_it_is_the_one_that_is_seen(self):
        self.witness.add_netns("router-1")
        self.witness.add_netns("router-2")
        daemon = self.start()
        for _ in range(2):
            self.witness.mount_netns("router-1")
            self.assert_governs_all_and_nothing_else(daemon, ["router-1", "router-2"])
        for _ in range(2):
            harness.umount(path_of("router-1"))
            self.assert_governs_all_and_nothing_else(daemon, ["router-1", "router-2"])

    def test_the_same_netns_stacked_on_itself_stays_one(self):
        self.witness.add_netns("router-1")
        daemon = self.start()
        for _ in range(3):
            harness.mount(path_of("router-1"), path_of("router-1"), b"none", MS_BIND)
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        for _ in range(3):
            harness.umount(path_of("router-1"))
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])

    def test_a_netns_that_is_unmounted_and_never_unlinked_is_forgotten(self):
        for number in range(5):
            self.witness.add_netns(f"router-{number}")
        daemon = self.start(interval="1h")  # only the mount table shows the change
        for number in range(4):
            harness.umount(path_of(f"router-{number}"))
        daemon.wait_metrics(lambda m: m.sum("netns") == 1 and m.sum("bound_sysctls") == 1, "only one netns is left")
        self.assert_governs_all_and_nothing_else(daemon, ["router-4"])

    def test_a_netns_mounted_over_the_file_of_a_deleted_one_is_governed_at_once(self):
        self.witness.add_netns("router-1")
        daemon = self.start(interval="1h")
        for _ in range(2):
            harness.umount(path_of("router-1"))
            self.witness.mount_netns("router-1")
            self.assert_governs_all_and_nothing_else(daemon, ["router-1"])

    def test_a_netns_that_gets_the_inode_number_of_one_that_was_unmounted_is_judged_by_its_own_name(self):
        # No event reports that they are not netns any more; their names are looked up again within a second.
        names = [f"router-{number}" for number in range(40)]
        for name in names:
            self.witness.add_netns(name)
        numbers = {os.stat(path_of(name)).st_ino for name in names}
        daemon = self.start()
        daemon.signal(signal.SIGSTOP)
        for name in names:
            harness.umount(path_of(name))
        reused = unmatched = 0
        while reused == 0 and unmatched < 200:  # all processes of the host share these numbers
            self.witness.add_netns(f"other-{unmatched}")
            reused += os.stat(path_of(f"other-{unmatched}")).st_ino in numbers
            unmatched += 1
        daemon.signal(signal.SIGCONT)
        self.assert_governs_all_and_nothing_else(daemon, [], unmatched=unmatched)
        if reused == 0:
            self.skipTest("other programs took all the numbers")

    def test_a_stack_that_grows_and_shrinks_all_the_time_ends_governed(self):
        self.witness.add_netns("router-1")
        daemon = self.start()
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            for _ in range(3):
                self.witness.mount_netns("router-1")
            for _ in range(3):
                harness.umount(path_of("router-1"))
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])


class TwoNames(witness.Case):
    # If two policies name a key, the later one in the file owns it, regardless of the order of the names.
    WANTED = {"^router-": {KEY: WANT, OTHER: 55}, "^edge-": {KEY: 4321}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", self.WANTED["^router-"]), policy("edges", "^edge-", self.WANTED["^edge-"])))
        self.witness.add_netns("router-1")
        self.aliases["router-1"] = ["edge-1"]

    def conflicts(self, daemon, count):
        daemon.wait_metrics(lambda m: m.sum("policy_conflicts", policy="routers") == count and not m.sum("policy_conflicts", policy="edges"),
                            f"{count} lost by the earlier policy")

    def test_under_two_names_that_contradict_each_other_the_later_policy_rules_and_the_conflict_is_shown(self):
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        self.conflicts(daemon, 0)
        for _ in range(3):
            bind_second_name("router-1", "edge-1")
            self.assert_governs_all_and_nothing_else(daemon, ["router-1"], aliases={"router-1": ["edge-1"]})
            self.conflicts(daemon, 1)
            self.assertEqual(daemon.scrape().sum("netns_unmatched"), 0)
            harness.umount(path_of("edge-1"))
            os.unlink(path_of("edge-1"))
            self.conflicts(daemon, 0)
            self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        bind_second_name("router-1", "edge-1")
        delete_netns("router-1")
        self.assert_governs_all_and_nothing_else(daemon, ["edge-1"])

    def test_two_names_that_contradict_each_other_do_not_make_it_write_for_ever(self):
        bind_second_name("router-1", "edge-1")
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"], aliases={"router-1": ["edge-1"]})
        writes = daemon.scrape().sum("actions_total", action="write")
        daemon.wait_sweeps(5)
        self.assertEqual(daemon.scrape().sum("actions_total", action="write"), writes)


if __name__ == "__main__":
    harness.main()
