# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments while netns are created, removed and drift. Each later start must repair everything in its first
sweep and find no leftovers of its predecessor. The sweep interval is an hour, so that no second sweep hides omissions of the
first."""

import os
import random
import subprocess
import threading
import time

import harness
import invariants
from harness import NETNS_DIR
from netns_life import DRIFTS, INTERVAL, KEYS, TIME, Policy
from random_host import eventually
from random_steps import text_of
from witness import Witness
from world import World

RIGHT = {TIME: "1111", INTERVAL: "33"}
POLICIES = [Policy("auditors", ".*", "audit", {TIME: 7200}), Policy("routers", "^router-", "enforce", RIGHT)]
STAYING, CHURNING = 12, 8


class Assault:
    """Kills the daemons of one harness.Case, which cleans up."""

    def __init__(self, case, seed):
        self.case, self.random = case, random.Random(seed)
        self.witness = Witness(KEYS)
        case.addCleanup(self.witness.close)
        self.world = World(self.witness)
        case.addCleanup(self.world.close)
        self.world.govern_by(POLICIES)
        case.configure(text_of(POLICIES))
        self.temporary = os.path.join(case.directory, "tmp")
        os.mkdir(self.temporary)
        os.environ["TMPDIR"] = self.temporary
        case.addCleanup(os.environ.pop, "TMPDIR")
        self.daemon = self.base = None
        case.addCleanup(lambda: self.daemon and self.daemon.kill())
        for number in range(STAYING):
            self._add(f"router-stays-{number}".encode())
        self.quiet = threading.Lock()  # its holder has exclusive use of the world
        self.enough = threading.Event()
        self.churn = threading.Thread(target=self._churn, args=(random.Random(seed + 1),))
        case.addCleanup(self.stop_churn)
        self.churn.start()
        self.kills = {"starting": 0, "repairing": 0, "idle": 0}
        self.judged = self.writes = 0
        self.slowest = 0.0

    def _add(self, name):
        netns = self.world.make_netns()
        netns.touched = 0
        self.world.place(NETNS_DIR, name)
        self.world.mount(NETNS_DIR, name, netns)
        netns.let_go()

    def _churn(self, choose):
        while not self.enough.is_set():
            with self.quiet:
                name = f"router-churn-{choose.randrange(CHURNING)}".encode()
                if name in self.world.top(NETNS_DIR):
                    self.world.remove(NETNS_DIR, name)
                else:
                    self._add(name)
                for netns, names in self.world.visible().items():
                    if b"churn" in names[0][1] and choose.random() < 0.2:
                        self._touch(netns, choose.choice(DRIFTS[TIME]))
            time.sleep(choose.uniform(0.001, 0.01))

    def stop_churn(self):
        self.enough.set()
        self.churn.join()

    @staticmethod
    def _touch(netns, value):
        netns.touched += 1
        netns.write(TIME, value)
        netns.write(INTERVAL, "75")

    def _drift_all(self):
        with self.quiet:
            for netns in self.world.visible():
                self._touch(netns, "7200")

    def kill_while_starting(self):
        self._drift_all()
        command = [harness.BINARY, "run", f"--config.file={self.case.config_file}", "--web.listen-address=127.0.0.1:0"]
        nothing = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing) as process:
            time.sleep(self.random.uniform(0, 0.03))
            process.kill()
        self._count("starting", process.pid)

    def _count(self, moment, pid):
        self.kills[moment] += 1
        with self.quiet:
            hits = self.witness.take_hits()
            self.writes += sum(hit.pid == pid for hit in hits)
            found = invariants.hit_problems(hits, pid, os.getpid(), self.world.may_be_written)
            self.world.reset_history()
        self._raise_if(found)

    def start(self):
        """Also checks all other invariants at that moment."""
        self._drift_all()
        with self.quiet:
            if self.random.random() < 0.3:  # unobserved by the daemon
                self._recreate(f"router-stays-{self.random.randrange(STAYING)}".encode())
            before = {netns: netns.touched for netns in self.world.visible()}
        began = time.monotonic()
        self.daemon = harness.Daemon(f"--config.file={self.case.config_file}", interval="1h")
        with self.quiet:
            self.slowest = max(self.slowest, time.monotonic() - began)
            visible = self.world.visible()
            untouched = [netns for netns, touched in before.items() if netns.touched == touched and netns in visible]
            self.judged += len(untouched)
            found = [f"not right: {netns} {visible[netns]} has {self._values(netns)}" for netns in untouched
                     if self._values(netns) != RIGHT]
            self._raise_if(found + self._left_over())

    @staticmethod
    def _values(netns):
        return {key: netns.read(key) for key in (TIME, INTERVAL)}

    def _left_over(self):
        pid = self.daemon.process.pid
        found = invariants.life_problems(self.world)
        self.base = self.base or invariants.holdings_of_idle(pid, self.witness.owners)
        found += eventually(lambda: invariants.holdings_problems(invariants.expected(self.world),
                                                                 invariants.holdings(pid, self.witness.owners), self.base))
        running = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        found += invariants.compare("processes", running, {os.getpid(), pid})
        found += invariants.compare("files in /run", sorted(os.listdir("/run")), ["netns", "second"])
        found += invariants.compare("temporary files", os.listdir(self.temporary), [])
        beside = sorted(os.listdir(self.case.directory))
        found += invariants.compare("files beside the configuration", beside, ["nswarden.yaml", "tmp"])
        return found + self.world.problems()

    def _recreate(self, name):
        self.world.remove(NETNS_DIR, name)
        self._add(name)

    def kill(self):
        if self.random.random() < 0.5:
            moment = "idle"
            with self.quiet:
                self._recreate(f"router-stays-{self.random.randrange(STAYING)}".encode())
            time.sleep(self.random.uniform(0, 0.06))
            with self.quiet:
                self._raise_if(invariants.life_problems(self.world))
        else:
            moment = "repairing"
            self._drift_all()
            with self.quiet:  # new names are visited and repaired immediately
                for number in range(STAYING):
                    self._recreate(f"router-stays-{number}".encode())
            time.sleep(self.random.uniform(0, 0.01))
        self.daemon.kill()
        self._count(moment, self.daemon.process.pid)

    def run_kills(self, kills):
        while sum(self.kills.values()) < kills:
            if self.random.random() < 0.4:
                self.kill_while_starting()
            self.start()
            self.kill()

    def _raise_if(self, found):
        if found:
            raise AssertionError("\n".join([*found[:40], self.summary(), self.daemon.log() if self.daemon else ""]))

    def summary(self):
        kills = ", ".join(f"{count} while {moment}" for moment, count in self.kills.items())
        return (f"{sum(self.kills.values())} kills ({kills}), {self.world.made} netns made, "
                f"{self.judged} judged right at ready, {self.writes} writes of the daemons, slowest start {self.slowest:.3f} s")
