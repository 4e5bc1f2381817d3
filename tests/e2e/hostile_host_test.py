# SPDX-License-Identifier: Apache-2.0
"""A host that is faster than the daemon, or stops it."""

import os
import signal
import threading

import harness
import witness
from harness import NETNS_DIR, config, delete_netns, path_of, policy, put

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class Churn(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        os.mkdir(NETNS_DIR)

    def assert_only(self, daemon, names):
        """No state of removed netns remains."""
        self.assert_governs_all_and_nothing_else(daemon, names)
        daemon.wait_metrics(lambda m: (m.sum("netns"), m.sum("netns_pending"), m.sum("bound_sysctls")) == (len(names), 0, len(names)),
                            f"{len(names)} netns and nothing of others")

    def test_a_name_deleted_and_recreated_1000_times_as_fast_as_possible_ends_governed(self):
        self.witness.add_netns("router-1")
        daemon = self.start()
        for _ in range(1000):
            delete_netns("router-1")
            self.witness.add_netns("router-1")
        self.assert_only(daemon, ["router-1"])

    def test_netns_that_come_and_go_while_others_drift_are_neither_lost_nor_left_behind(self):
        self.witness.add_netns("router-stays")
        daemon = self.start()
        done = threading.Event()

        def churn(worker):
            number = 0
            while not done.is_set():
                name = f"router-churn-{worker}-{number % 5}"
                self.witness.add_netns(name)
                if number % 3:
                    put(name, KEY, 99)
                delete_netns(name)
                number += 1

        threads = [threading.Thread(target=churn, args=(worker,)) for worker in range(2)]
        for thread in threads:
            thread.start()
        for value in range(8):
            put("router-stays", KEY, 2000 + value)
            self.wait_value("router-stays", KEY, WANT)
        done.set()
        for thread in threads:
            thread.join()
        self.assert_only(daemon, ["router-stays"])

    def test_20000_events_while_it_is_stopped_are_lost_counted_and_made_good(self):
        self.witness.add_netns("router-goes")
        self.witness.add_netns("router-changes")
        daemon = self.start(interval="1h")  # only the lost queue makes it rescan
        daemon.signal(signal.SIGSTOP)
        for number in range(10000):
            path = path_of(f"noise-{number}")
            os.mknod(path)
            os.unlink(path)
        self.witness.add_netns("router-comes")
        delete_netns("router-goes")
        harness.umount(path_of("router-changes"))
        self.witness.mount_netns("router-changes")
        daemon.signal(signal.SIGCONT)
        self.assert_only(daemon, ["router-changes", "router-comes"])
        metrics = daemon.scrape()
        self.assertEqual(metrics.sum("event_overflows_total", source="inotify"), 1)
        self.assertEqual(metrics.sum("event_source_up", source="inotify"), 1)


if __name__ == "__main__":
    harness.main()
