# SPDX-License-Identifier: Apache-2.0
"""Bursts of netns, created as fast as possible, are all governed by events alone: the sweep interval is an hour."""

import os
import threading
import time

import harness
from harness import add_netns, config, delete_netns, inside, policy, read_here, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
BURST = 500
MAKERS = 2


class Bursts(harness.Case):
    def test_no_netns_of_a_burst_is_missed(self):
        bursts = int(os.environ.get("NSWARDEN_NETNS", "1000")) // BURST
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        daemon = self.start(interval="1h", log_level="info")
        slowest = 0.0
        for burst in range(bursts):
            names = [f"router-{burst}-{number}" for number in range(BURST)]
            makers = [threading.Thread(target=lambda part: [add_netns(name) for name in part], args=(names[start::MAKERS],))
                      for start in range(MAKERS)]
            for maker in makers:
                maker.start()
            for maker in makers:
                maker.join()
            made = time.monotonic()
            waiting = set(names)

            def all_compliant():
                waiting.difference_update({name for name in waiting if inside(name, lambda: read_here(KEY)) == str(WANT)})
                return not waiting

            wait_until(all_compliant, lambda: f"{len(waiting)} of burst {burst} governed: {sorted(waiting)[:5]}")
            slowest = max(slowest, time.monotonic() - made)
            metrics = daemon.wait_metrics(lambda m: m.sum("netns") == BURST and m.sum("drifted_sysctls") == 0, "all counted")
            self.assertEqual(metrics.sum("drift_detected_total", source="create"), (burst + 1) * BURST)
            for name in names:
                delete_netns(name)
            daemon.wait_metrics(lambda m: m.sum("netns") == 0, "all gone")
        print(f"{bursts} bursts of {BURST}: none missed, all right within {slowest:.2f} s of the last", flush=True)
        self.assertEqual(daemon.scrape().sum("reconciles_total", trigger="interval"), 0)


if __name__ == "__main__":
    harness.main()
