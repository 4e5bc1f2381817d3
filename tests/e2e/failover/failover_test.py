# SPDX-License-Identifier: Apache-2.0
"""The purpose of the project: NATed TCP connections survive a takeover by another node where a daemon enforces two settings
(kernel fact 63), and die where none does. Real packets, real conntrack; the policy is the example for Neutron, all flags
have their defaults."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import unittest

from lab import LIBERAL, LOOSE, Lab
from cells import CELLS
from streams import HANGS, LIVES
from table import EXAMPLE

import harness
import table
from harness import get

PAGE = os.path.join(os.path.dirname(EXAMPLE), "../../docs/why.md")
ALL = 10  # streams per lab


class Failover(harness.Case):
    def setUp(self):
        super().setUp()
        shutil.copy(EXAMPLE, self.config_file)
        self.labs = {}
        self.addCleanup(self.end)

    def end(self):
        for lab in self.labs.values():
            lab.__exit__()

    def at_once(self, function):
        """{cell: result of function(its name)}: run in parallel, because cells mostly wait."""
        with concurrent.futures.ThreadPoolExecutor(len(CELLS)) as pool:
            return dict(zip(CELLS, pool.map(function, CELLS)))

    def lead(self, name):
        lead, options = CELLS[name]
        self.labs[name] = Lab(name.replace("_", "-"), **options)
        return lead(self.labs[name].__enter__())

    def start_daemon(self):
        return self.start(interval=None)

    def assert_all(self, outcome, outcomes):
        self.assertEqual({name: dict(counts) for name, counts in outcomes.items()}, dict.fromkeys(CELLS, {outcome: ALL}))

    def assert_configured(self):
        for lab in self.labs.values():
            for router in (lab.a, lab.b):
                self.assertEqual([get(router.name, key) for key in (LOOSE, LIBERAL)], ["1", "1"], router.name)

    def test_the_page_has_each_row_that_is_measured(self):
        """Each stream that is claimed to survive does, and no other one."""
        told, title = [], ""
        with open(PAGE, encoding="ascii") as file:
            for line in file:
                title = line.strip("# \n") if line.startswith("#") else title
                if match := re.fullmatch(r"\| (fail\S+[^|]*) \| ([^|]+) \| \d+ of \d+[^|]* \| (\d+) of (\d+)[^|]* \|\n", line):
                    told.append((title, match[1], match[2]))
                    if title != "Left to chance":
                        self.assertEqual(match[3], "0" if title in ("Not saved", "Lost by `loose=1`") else match[4], line)
        tables = {**table.TABLES, **table.VRRP_TABLES}
        self.assertEqual(told, [(title, row.event, row.what) for title, rows in tables.items() for row in rows])

    def test_without_the_daemon_all_die_and_its_start_revives_them(self):
        """The settings alone kill the streams: nothing else is changed, and hanging streams recover."""
        self.assert_all(HANGS, self.at_once(self.lead))
        self.start_daemon()
        for lab in self.labs.values():
            lab.streams.mark()
        self.assert_all(LIVES, self.at_once(lambda name: self.labs[name].streams.outcomes()))
        self.assert_configured()

    def test_with_the_daemon_all_survive(self):
        daemon = self.start_daemon()
        self.assert_all(LIVES, self.at_once(self.lead))
        self.assert_configured()
        metrics = daemon.wait_metrics(lambda told: told.sum("netns", policy="neutron-routers") == 2 * len(CELLS), "all routers governed")
        self.assertEqual(metrics.sum("drifted_sysctls", policy="neutron-routers"), 0)
        for name, key, first in (("qrouter-preset-b", LOOSE, "create"), ("qrouter-loose-reset-b", LOOSE, "event"),
                                 ("qrouter-liberal-reset-a", LIBERAL, "event")):
            wanted = {"msg": "sysctl repaired", "netns": name, "key": key}
            daemon.wait_log(lambda line, w=wanted, f=first: w.items() <= line.items() and line["source"] in (f, "reconcile"),
                            f"{wanted}, by {first} or a sweep")
        print(f"longest silence around the takeovers: {max(lab.streams.gap() for lab in self.labs.values()):.2f} s", flush=True)


def main():
    harness.isolate()
    rules = "add table ip t; add chain ip t c { type nat hook postrouting priority srcnat; }; add rule ip t c snat to 192.0.2.1"
    probe = subprocess.run(["unshare", "--net", "nft", rules], capture_output=True, encoding="utf-8", check=False)
    if probe.returncode:
        print(f"SKIP: no NAT by nftables here: {probe.stderr}")
        sys.exit(77)
    unittest.main()


if __name__ == "__main__":
    main()
