# SPDX-License-Identifier: Apache-2.0
"""An idle daemon stays asleep: none of its threads wakes up between two sweeps."""

import os
import time

import harness
from harness import add_netns, config, policy, put

KEY = "net.ipv4.tcp_keepalive_time"


class Rest(harness.Case):
    def switches(self, pid):
        """{thread: number of voluntary context switches}"""
        found = {}
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
                fields = dict(line.split(":", 1) for line in file)
            found[fields["Name"].strip(), thread] = int(fields["voluntary_ctxt_switches"])
        return found

    def test_no_thread_wakes_up_between_sweeps(self):
        for number in range(20):
            add_netns(f"router-{number}")
        self.configure(config(policy("routers", "^router-", {KEY: 1234})))
        daemon = self.start(interval="1h")
        put("router-1", KEY, 5)
        self.wait_value("router-1", KEY, 1234)
        time.sleep(1)  # the snapshot after a repair is done
        before = self.switches(daemon.process.pid)
        time.sleep(2)
        woken = {thread: count - before[thread] for thread, count in self.switches(daemon.process.pid).items()
                 if count != before[thread]}
        self.assertEqual(woken, {})


if __name__ == "__main__":
    harness.main()
