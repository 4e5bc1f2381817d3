# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps, as at boot, after suspend and by mistake. A preloaded library ($NSWARDEN_STEP_CLOCK) makes the jump
visible to the daemon only."""

import os
import struct
import time
import unittest

import harness
import witness
from harness import NETNS_DIR, config, place_file, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
YEAR = 365 * 24 * 3600
LIBRARY = os.environ.get("NSWARDEN_STEP_CLOCK", "")


@unittest.skipUnless(LIBRARY, "NSWARDEN_STEP_CLOCK names no library")
class ClockSteps(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        os.mkdir(NETNS_DIR)
        self.offset_file = os.path.join(self.directory, "offset")
        self.step(0)

    def step(self, seconds):
        """Steps the clock immediately. The file is rewritten in place because the daemon has it mapped."""
        fd = os.open(self.offset_file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(fd, struct.pack("=q", seconds), 0)
        os.close(fd)

    def start_on_that_clock(self, **options):
        environment = {"LD_PRELOAD": LIBRARY, "NSWARDEN_STEP_CLOCK_FILE": self.offset_file}
        return self.start(environment=environment, **options)

    def assert_sees_clock(self, daemon, seconds):
        """Checks that the daemon sees the step; otherwise the tests below prove nothing."""
        daemon.wait_metrics(lambda m: abs(m.sum("reconcile_last_success_timestamp_seconds") - (time.time() + seconds)) < 3600,
                            "a sweep at the time that the clock says")

    def test_sweeps_events_and_retries_go_on_whatever_the_wall_clock_says(self):
        daemon = self.start_on_that_clock()
        names = []
        for seconds in (0, 10 * YEAR, -10 * YEAR, 10 * YEAR, 0):
            with self.subTest(years=seconds / YEAR):
                self.step(seconds)
                self.assert_sees_clock(daemon, seconds)
                names.append(f"router-{len(names)}")
                place_file(names[-1])
                daemon.wait_metrics(lambda metrics: metrics.sum("netns_pending") == 1, "one that is not ready")
                self.witness.mount_netns(names[-1])
                self.assert_governs_all_and_nothing_else(daemon, names)
        metrics = daemon.scrape()
        self.assertLess(metrics.sum("reconcile_duration_seconds_sum"), 60)
        self.assertLess(metrics.sum("time_to_compliance_seconds_sum"), 60)

    def test_no_step_makes_it_sweep_more_or_less_often_or_spin(self):
        daemon = self.start_on_that_clock()
        for seconds in (10 * YEAR, -10 * YEAR):
            self.step(seconds)
            before, began = daemon.scrape(), time.monotonic()
            after = daemon.wait_sweeps(5)
            took = time.monotonic() - began
            sweeps = after.sum("reconciles_total") - before.sum("reconciles_total")
            self.assertLessEqual(sweeps, took / harness.INTERVAL + 2)
            self.assertGreaterEqual(took, 4 * harness.INTERVAL)
            used = sum(after["process_cpu_seconds_total"].values()) - sum(before["process_cpu_seconds_total"].values())
            self.assertLess(used, took / 2)

    def test_a_reload_and_the_end_come_as_fast_as_ever(self):
        self.witness.add_netns("router-1")
        daemon = self.start_on_that_clock(interval="1h")
        for number, seconds in enumerate((10 * YEAR, -10 * YEAR), start=1):
            self.step(seconds)
            self.WANTED = {"^router-": {KEY: WANT + number}}
            self.configure(config(policy("routers", "^router-", {KEY: WANT + number})))
            self.wait_value("router-1", KEY, WANT + number)
        self.assert_governs_all_and_nothing_else(daemon, ["router-1"])
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - began, 2)


if __name__ == "__main__":
    harness.main()
