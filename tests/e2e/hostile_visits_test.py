# SPDX-License-Identifier: Apache-2.0
"""A netns is removed during a visit: between any two steps of the daemon, where a tracer holds it, and at random points,
where it is stopped."""

import os
import random
import signal
import threading
import time

import harness
import witness
from harness import MS_BIND, NETNS_DIR, config, delete_netns, inside, key_path, path_of, place_file, policy, write_here
from tracer import Tracer

WRONG = {"net.core.somaxconn": 999, "net.ipv4.tcp_keepalive_time": 999, "net.ipv4.tcp_keepalive_intvl": 99,
         "net.ipv4.conf.default.rp_filter": 1, "net.ipv4.conf.lo.rp_filter": 2, "net.ipv6.conf.lo.accept_ra": 1}
MANY = {"net.core.somaxconn": 1000, "net.ipv4.tcp_keepalive_time": 1234, "net.ipv4.tcp_keepalive_intvl": 55,
        "net.ipv4.conf.default.rp_filter": 2, "net.ipv4.conf.lo.rp_filter": 1, "net.ipv6.conf.lo.accept_ra": 0}
ELSEWHERE = "/run/elsewhere"


def drift():
    for key, value in WRONG.items():
        write_here(key, value)


class MidVisit(witness.Case):
    """All keys are held open."""

    WANTED = {"^router-": MANY}
    PREFIX = ()

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", MANY)))
        os.mkdir(NETNS_DIR)
        os.mkdir(ELSEWHERE)
        self.governed = {"router-stays"}
        self.unmatched = 0
        self.victims = {}  # sysctl fds of netns without another reference
        self.addCleanup(lambda: [os.close(fd) for fd in self.victims.values()])

    # Actions on a name while the daemon is held.

    def delete(self, name):
        delete_netns(name)

    def replace(self, name):
        """Replaces it by a netns that may get the inode number of the dead one (kernel fact 4)."""
        delete_netns(name)
        self.witness.add_netns(name)
        self.governed.add(name)

    def recreate(self, name):
        """An unrelated netns may take the number."""
        delete_netns(name)
        self.witness.add_netns(f"other-{name}")
        self.unmatched += 1

    def remount(self, name):
        harness.umount(path_of(name))
        self.witness.mount_netns(name)
        self.governed.add(name)

    def rename(self, name):
        """The netns survives under a name that matches no policy."""
        place_file(f"other-{name}")
        harness.mount(path_of(name), path_of(f"other-{name}"), b"none", MS_BIND)
        delete_netns(name)
        os.close(self.victims.pop(name))
        self.unmatched += 1

    DEEDS = (delete, replace, recreate, remount, rename)

    def make(self, name):
        self.witness.add_netns(name)
        self.victims[name] = inside(name, lambda: os.open(key_path("net.core.somaxconn"), os.O_RDONLY | os.O_CLOEXEC))

    def at_key(self, tracer, name, key):
        """For a call on an fd of this key of this netns."""
        return lambda fd, *_: self.witness.owners.get(tracer.inode_of(fd)) == (name, key)

    def hold_while_binding(self, daemon, name, deed, place, count):
        """`place` and `count`: the call to hold at, counted from entering the netns."""
        with Tracer(daemon.process.pid) as tracer:
            self.make(name)
            inode = os.stat(path_of(name)).st_ino
            tracer.run_to("setns", lambda fd, *_: tracer.inode_of(fd) == inode)
            for _ in range(count):
                tracer.run_to(place)
            deed(self, name)

    def hold_while_repairing(self, daemon, name, deed, place, key):
        self.make(name)
        self.wait_value(name, "net.ipv6.conf.lo.accept_ra", 0)
        daemon.wait_metrics(lambda metrics: metrics.sum("drifted_sysctls") == 0, "all is right")
        with Tracer(daemon.process.pid) as tracer:
            inside(name, drift)
            daemon.signal(signal.SIGHUP)
            if place == "pread again":
                tracer.run_to("pwrite", lambda fd, *_: self.witness.owners.get(tracer.inode_of(fd), ("",))[0] == name)
                place = "pread"
            tracer.run_to(place, self.at_key(tracer, name, key))
            deed(self, name)

    def assert_all_governed(self, daemon):
        self.assert_governs_all_and_nothing_else(daemon, sorted(self.governed), unmatched=self.unmatched)
        for name, fd in self.victims.items():
            self.wait_dead(name, fd)

    def wait_dead(self, name, fd):
        def is_dead():
            try:
                os.pread(fd, 64, 0)
            except FileNotFoundError:
                return True
            return False

        harness.wait_until(is_dead, f"the netns that was {name} is dead", deadline=5)

    def test_a_netns_taken_away_between_any_two_steps_of_binding_it(self):
        self.witness.add_netns("router-stays")
        daemon = self.start(prefix=self.PREFIX)
        number = 0
        for place, count in (("setns", 0), ("openat2", 1), ("openat2", 3), ("openat2", len(MANY)), ("setns", 1), ("pread", 1)):
            for deed in self.DEEDS:
                with self.subTest(place=place, count=count, deed=deed.__name__):
                    number += 1
                    self.hold_while_binding(daemon, f"router-{number}", deed, place, count)
        self.assert_all_governed(daemon)

    def test_a_netns_taken_away_between_any_two_steps_of_repairing_it(self):
        self.witness.add_netns("router-stays")
        daemon = self.start(prefix=self.PREFIX)
        number = 0
        first, last = "net.core.somaxconn", "net.ipv4.conf.lo.rp_filter"
        for place, key in (("pread", first), ("pread", last), ("pwrite", first), ("pwrite", last), ("pread again", first),
                           ("pread again", last)):
            for deed in self.DEEDS:
                with self.subTest(place=place, key=key, deed=deed.__name__):
                    number += 1
                    self.hold_while_repairing(daemon, f"router-{number}", deed, place, key)
        self.assert_all_governed(daemon)

    def test_netns_taken_away_at_random_moments(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        dice = random.Random(seed)
        for number in range(10):
            self.witness.add_netns(f"router-{number}")
        daemon = self.start(interval="100ms", prefix=self.PREFIX)
        done = threading.Event()

        def keep_busy():
            while not done.is_set():
                for name in os.listdir(os.fsencode(NETNS_DIR)):
                    try:
                        inside(name, drift)
                    except OSError:
                        pass  # it is being removed or created
                daemon.signal(signal.SIGHUP)  # starts a sweep

        busy = threading.Thread(target=keep_busy)
        busy.start()
        try:
            for _ in range(100):
                name = f"router-{dice.randrange(10)}"
                time.sleep(dice.random() * 0.004)
                daemon.signal(signal.SIGSTOP)  # at a random point
                delete_netns(name)
                early = dice.random() < 0.7
                if early:
                    self.witness.add_netns(name)
                daemon.signal(signal.SIGCONT)
                if not early:
                    self.witness.add_netns(name)
        finally:
            done.set()
            busy.join()
        self.assert_governs_all_and_nothing_else(daemon, [f"router-{number}" for number in range(10)])
        self.assertGreater(daemon.scrape().sum("actions_total", action="write", result="success"), 100)


class MidVisitWithoutFiles(MidVisit):
    """No fds are held, so that every step starts from a name again (kernel fact 20)."""

    PREFIX = ("prlimit", "--nofile=64")


if __name__ == "__main__":
    harness.main()
