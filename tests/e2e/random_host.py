# SPDX-License-Identifier: Apache-2.0
"""A host with all possible netns operations, in an order derived from a seed, and a daemon on it. After each burst of steps
the host rests for two sweeps; then the invariants must hold (invariants.py)."""

import collections
import json
import os
import re
import signal
import time

import harness
import invariants
from netns_life import KEYS, GROUPS
from random_steps import CONFIGS, Steps, text_of
from witness import Witness
from world import DIRECTORIES, World

WARM_UP = 5  # bursts
MORE_RSS = 3 << 20  # after that; first-time code paths count too. leaks_test.py checks that nothing leaks


def eventually(find):
    """Published values and connection state lag behind by some milliseconds."""
    end = time.monotonic() + 3
    while True:
        found = find()
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.01)


class Run:
    """One daemon and one world. `case` is the harness.Case that cleans up. `most_fds` limits open files, so that not all
    netns can keep their files open."""

    def __init__(self, case, seed, max_fds=None):
        self.case, self.seed, self.few_fds = case, seed, max_fds is not None
        self.storms, self.log = [], collections.deque(maxlen=50)
        self.bursts = self.steps_done = self.judged = self.writes = 0
        with open(harness.BINARY, "rb") as file:
            self.sanitized = re.search(rb"__[at]san_init", file.read()) is not None  # memory of such a binary is meaningless
        self.witness = Witness(KEYS)
        case.addCleanup(self.witness.close)
        self.world = World(self.witness)
        case.addCleanup(self.world.close)
        self.world.take_free_numbers(50)
        self.steps = Steps(seed, self.world, self)
        self.world.govern_by(CONFIGS[0])
        self.configure = case.configure
        self.configure(text_of(self.world.policies))
        if max_fds:
            self._limit(max_fds)
        self.daemon = case.start("--repair.budget=1000", netns_dirs=DIRECTORIES, interval="100ms")
        self.daemon.wait_sweeps()
        self.base = invariants.holdings_of_idle(self.daemon.process.pid, self.witness.owners)
        self.warm = self.most = self.base.rss

    def _limit(self, max_fds):
        wrapper = os.path.join(self.case.directory, "limited")
        with open(wrapper, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nulimit -n {max_fds}\nexec {harness.BINARY} "$@"\n')
        os.chmod(wrapper, 0o700)
        self.case.addCleanup(setattr, harness, "BINARY", harness.BINARY)
        harness.BINARY = wrapper

    def hold(self):
        return invariants.holdings(self.daemon.process.pid, self.witness.owners)

    def burst(self):
        for _ in range(self.steps.random.randint(10, 150)):
            self.log.append(self.steps.next())
            self.steps_done += 1
        self.bursts += 1

    def quiesce(self):
        self.daemon.signal(signal.SIGCONT)
        for storm in self.storms:
            storm.join()
        self.storms.clear()
        self.daemon.wait_sweeps()

    def problems(self):
        """Of a world at rest."""
        found = self.world.problems()
        want = invariants.expected(self.world)
        self.judged += want.states.total()
        found += want.wrong
        found += self.foreign_problems(self.world.may_be_written)
        found += eventually(lambda: invariants.metrics_problems(self.world, want, self.daemon.scrape()))
        found += invariants.check_problems(want, self.check())
        found += eventually(lambda: invariants.holdings_problems(want, self.hold(), self.base, self.few_fds))
        found += invariants.life_problems(self.world)
        self.daemon.wait_sweeps(1)
        # A compliant host is not written to, except that clamped values are retried from time to time.
        found += [f"at rest: {line}" for line in self.foreign_problems(lambda netns, key: key == GROUPS)]
        self.world.reset_history()
        return found + self.growth_problems()

    def foreign_problems(self, may_be_written):
        hits = self.witness.take_hits()
        self.writes += sum(hit.pid == self.daemon.process.pid for hit in hits)
        return invariants.hit_problems(hits, self.daemon.process.pid, os.getpid(), may_be_written)

    def check(self):
        directories = [f"--netns.dir={path}" for path in DIRECTORIES]
        return harness.run_binary("check", "--output=json", f"--config.file={self.case.config_file}", *directories)

    def growth_problems(self):
        rss = self.hold().rss
        if self.bursts <= WARM_UP:
            self.warm = max(self.warm, rss)
        self.most = max(self.most, rss)
        if self.bursts <= WARM_UP or self.sanitized or rss <= self.warm + MORE_RSS:
            return []
        return [f"RSS: {rss >> 10} KiB, after {WARM_UP} bursts {self.warm >> 10} KiB"]

    def run_bursts(self, seconds):
        """Runs bursts until the time is over. Raises violated invariants."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.burst()
                self.quiesce()
                found = self.problems()
            except BaseException:
                print(self.story(), flush=True)
                self.daemon.signal(signal.SIGCONT)
                raise
            if found:
                raise AssertionError("\n".join([*found[:40], self.lives_of(found), self.story()]))
            del self.daemon.lines[:-500], self.world.journal[:-20000]

    def lives_of(self, found):
        """The history of the netns named in the problems."""
        names = sorted(set(re.findall(r"netns-\d+", "\n".join(found))))
        always = ("cover", "uncover", "put aside", "bring back", "govern by", "all judged")
        lines = [f"  {line}" for line in self.world.journal
                 if line.startswith(always) or any(re.search(label + r"\b", line) for label in names)]
        return "\n".join(["their lives:", *lines[-60:]])

    def story(self):
        steps = "\n".join(f"  {name} {done}" for name, done in self.log)
        log = "\n".join(json.dumps(line)[:300] for line in self.daemon.lines[-200:])
        return f"seed {self.seed}, {self.bursts} bursts, {self.steps_done} steps; the last:\n{steps}\nthe log:\n{log}"

    def summary(self):
        return (f"seed {self.seed}: {self.bursts} bursts, {self.steps_done} steps, {self.world.made} netns made, "
                f"{self.judged} settings judged, {self.writes} writes of the daemon, "
                f"RSS {self.warm >> 10} to {self.most >> 10} KiB")
