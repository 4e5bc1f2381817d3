# SPDX-License-Identifier: Apache-2.0
"""Thousands of netns are created and deleted: no state of them remains in the daemon, and the daemon keeps none of them alive.

$NSWARDEN_LEAK_CYCLES is the number of cycles; tests/long/leaks sets it and prints the measurements.
"""

import os
import queue
import threading
import time

import harness
from harness import MS_BIND, NETNS_DIR, CLONE_NEWNET, call, config, delete_netns, in_thread, key_path, path_of, place_file, policy

CYCLES = int(os.environ.get("NSWARDEN_LEAK_CYCLES", 5000))
WARM_UP = 1500
WORKERS = 2
NAMES = 7  # per worker, reused
WANTED = {"net.ipv4.tcp_keepalive_time": 1234, "net.ipv4.tcp_keepalive_intvl": 55, "net.core.somaxconn": 1000,
          "net.ipv6.conf.lo.accept_ra": 0}
BACKLOG = 60  # the kernel frees them one after the other; its delay must not affect the measurement
SENTINEL = "net.ipv4.tcp_keepalive_time"


class Holdings:
    """The resources of a daemon at one moment."""

    def __init__(self, pid):
        root = f"/proc/{pid}/fd"
        self.fds = self.watches = 0
        for fd in os.listdir(root):
            try:
                with open(f"{root}info/{fd}", encoding="ascii") as info:
                    self.watches += sum(line.startswith("inotify wd:") for line in info)
                self.fds += 1
            except FileNotFoundError:
                pass  # closed since it was listed
        self.threads = len(os.listdir(f"/proc/{pid}/task"))
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            self.resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def counts(self):
        return self.fds, self.watches, self.threads


class DeathObserver:
    """Holds a sysctl of each victim, which keeps nothing alive (kernel fact 5), and measures how long the victim outlives
    its deletion: the fd returns ENOENT once it is dead."""

    def __init__(self):
        self.slowest = 0.0
        self.seen = 0
        self.victims = queue.Queue()
        self.thread = threading.Thread(target=self._observe_deaths, daemon=True)
        self.thread.start()

    def deleted(self, fd):
        self.victims.put((fd, time.monotonic()))

    def finish(self):
        self.victims.put(None)
        self.thread.join()

    def _observe_deaths(self):
        while victim := self.victims.get():
            fd, since = victim
            while time.monotonic() < since + harness.DEADLINE:
                try:
                    os.pread(fd, 64, 0)
                except FileNotFoundError:
                    break
                time.sleep(0.005)
            self.slowest = max(self.slowest, time.monotonic() - since)
            self.seen += 1
            os.close(fd)


class Leaks(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", WANTED), policy("watched", "^router-.*-3$", {SENTINEL: 1234}, "audit")))
        os.mkdir(NETNS_DIR)
        self.observer = DeathObserver()

    def cycle(self, name, number):
        """Now and then with drift, with a second name, without a policy, or as a file that never becomes a netns."""
        if number % 11 == 0:
            name = "other-" + name
        place_file(name)
        if number % 13 == 0:
            os.unlink(path_of(name))
            return
        fds = []

        def make():
            call("unshare", CLONE_NEWNET)
            fds.append(os.open(key_path(SENTINEL), os.O_RDWR | os.O_CLOEXEC))
            harness.mount("/proc/thread-self/ns/net", path_of(name), b"none", MS_BIND)

        in_thread(make)
        if number % 3 == 0:
            os.pwrite(fds[0], b"77", 0)
        if number % 5 == 0:  # time to be governed; otherwise it is deleted before the daemon sees it
            time.sleep(0.002)
        if number % 7 == 0:
            place_file("edge-" + name)
            harness.mount(path_of(name), path_of("edge-" + name), b"none", MS_BIND)
            delete_netns("edge-" + name)
        delete_netns(name)
        self.observer.deleted(fds[0])
        while self.observer.victims.qsize() > BACKLOG:
            time.sleep(0.001)

    def churn(self, cycles):
        def work(worker):
            for number in range(cycles // WORKERS):
                self.cycle(f"router-{worker}-{number % NAMES}", number)

        workers = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            self.daemon.scrape()
            time.sleep(0.3)

    def settled(self):
        """No state of removed netns remains."""
        self.daemon.wait_metrics(lambda m: (m.sum("netns"), m.sum("netns_unmatched"), m.sum("netns_pending")) == (1, 0, 0),
                                 "only the one that stays")
        self.daemon.wait_sweeps()
        last, same = None, 0
        while same < 20:  # the connection of this request is closed soon
            holdings = Holdings(self.daemon.process.pid)
            same = same + 1 if last == holdings.counts() else 0
            last = holdings.counts()
            time.sleep(0.01)
        return holdings

    def test_thousands_of_netns_leave_nothing_behind_and_none_is_kept_alive(self):
        harness.add_netns("router-stays")
        self.daemon = self.start(log_level="info")
        at_start = self.settled().counts()
        try:
            self.churn(WARM_UP)
            warm = self.settled()
            self.churn(CYCLES - WARM_UP)
            end = self.settled()
        finally:
            self.observer.finish()
        print(f"{CYCLES} cycles: fds, watches, threads {at_start} -> {end.counts()}; "
              f"RSS {warm.resident >> 10} KiB after {WARM_UP} -> {end.resident >> 10} KiB; "
              f"{self.observer.seen} deleted netns died within {self.observer.slowest:.3f} s", flush=True)
        self.assertEqual(end.counts(), at_start)
        self.assertLessEqual(end.resident - warm.resident, 1 << 20)
        self.assertGreater(self.observer.seen, CYCLES * 0.9)
        self.assertLess(self.observer.slowest, 1)
        self.wait_value("router-stays", SENTINEL, 1234)
        self.assertGreater(self.daemon.scrape().sum("actions_total", action="write", result="success"), CYCLES / 5)


if __name__ == "__main__":
    harness.main()
