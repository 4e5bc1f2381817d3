# SPDX-License-Identifier: Apache-2.0
"""A command that fails and thereby causes its own event does not loop endlessly and does not block other commands."""

import os
import signal

import harness
from harness import NETNS_DIR, wait_until

FAILS, CAUSES_ITSELF = "exit 3", 'chmod 600 "/run/netns/$NETNS"'


class FailingCommands(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(NETNS_DIR)
        self.out = os.path.join(self.directory, "out")
        self.good = os.path.join(self.directory, "good")
        harness.place_file("router-1")
        command = f"date +%s.%N >>{self.out}; {CAUSES_ITSELF}; test -e {self.good} || {FAILS}"
        self.configure("version: 1\npolicies:\n  - name: routers\n    netns: .*\n    commands:\n      events:\n"
                       f"        IN_ATTRIB: ['{command}']\n        IN_MODIFY: ['echo other >>{self.out}']\n")

    def written(self):
        if not os.path.exists(self.out):
            return []
        with open(self.out, encoding="ascii") as file:
            return file.read().split()

    def test_it_is_suspended_does_not_hold_up_others_and_goes_on_when_it_succeeds(self):
        daemon = self.start()
        os.chmod(harness.path_of("router-1"), 0o600)
        entry = daemon.wait_log(lambda line: "suspended after repeated failures" in line["msg"], "that it is suspended")
        self.assertEqual({name: entry[name] for name in ("level", "netns", "policy", "event", "error", "next_in")},
                         {"level": "warn", "netns": "router-1", "policy": "routers", "event": "IN_ATTRIB",
                          "error": "exit status 3", "next_in": "1s"})
        self.assertGreaterEqual(len(self.written()), 5)
        with open(harness.path_of("router-1"), "w", encoding="ascii") as file:
            file.write("x")
        wait_until(lambda: "other" in self.written(), "another command, which waits for no pause")
        daemon.wait_metrics(lambda metrics: metrics.sum("actions_total", action="command", result="failure") == 6, "one more run")
        with open(self.good, "w", encoding="ascii"):
            pass
        daemon.wait_log(lambda line: line["msg"] == "commands succeed again" and line["level"] == "info", "its success")
        runs = [float(time) for time in self.written() if time != "other"]
        self.assertGreaterEqual(runs[5] - runs[4], 1)
        self.assertGreaterEqual(runs[6] - runs[5], 2)
        self.assertEqual(sum("suspended after repeated failures" in line["msg"] for line in daemon.lines), 1)

    def test_a_reload_gives_it_another_chance_at_once(self):
        daemon = self.start(interval="1h")
        os.chmod(harness.path_of("router-1"), 0o600)
        for runs in (5, 5 + 1 + 5):  # the waiting one belongs to the old configuration
            wait_until(lambda: sum("suspended after repeated failures" in line["msg"] for line in daemon.lines) == runs // 5, "suspended")
            self.assertGreaterEqual(len(self.written()), runs)
            daemon.wait_metrics(lambda metrics: metrics.sum("commands_queued") == 1, "the event that it caused")
            daemon.signal(signal.SIGHUP)


if __name__ == "__main__":
    harness.main()
