# SPDX-License-Identifier: Apache-2.0
"""Possible operations on a host, as steps derived from a seed."""

import random
import signal
import threading
import time

import harness
from netns_life import ABSENT, BRIDGE, DRIFTS, FORWARD, INTERVAL, LIBERAL, GROUPS, REDIRECTS, TIME, Policy
from world import DIRECTORIES

MOST_NETNS = 40
CONFIGS = [
    [Policy("routers", "^router-", "enforce", {TIME: 1111, INTERVAL: 33, FORWARD: 1, REDIRECTS: 0}),
     Policy("bridges", "^(router|dhcp)-", "enforce", {BRIDGE: 2, LIBERAL: 1}),
     Policy("auditors", ".*", "audit", {INTERVAL: 44, ABSENT: 1})],  # takes a key away from the routers
    [Policy("others", "^other-", "enforce", {TIME: 2222, GROUPS: "5 1"}),
     Policy("even", ".*[02468]$", "enforce", {INTERVAL: 55}),
     Policy("routers", "router", "audit", {TIME: 1111})],
    [Policy("everything", ".*", "enforce", {TIME: 3333, LIBERAL: 1}),
     Policy("bridges", "^dhcp-", "audit", {TIME: 3333, FORWARD: 1})],
    [],
]
NAMES = [f"{kind}-{number}".encode() for kind in ("router", "dhcp", "other") for number in range(30)]
NAMES += [b"router-\xff\xfe", b"other\nline-2", b"-rf", b"*", b"$(id)", b"back\\slash-4", b" ", b"...", b"router-" + b"n" * 240]
LINKS = ["/nowhere", "/proc/self/ns/net", "/run/netns/router-1"]
ODDITIES = ["file", "file", "content", "fifo", "directory", "device", "socket", *LINKS]
OTHERS_NSFS = ["/proc/1/ns/net", "/proc/self/ns/uts", "/proc/self/ns/ipc"]


def text_of(policies):
    if not policies:
        return "version: 1\npolicies: []\n"
    return harness.config(*(harness.policy(*policy._replace(mode=policy.sysctls, sysctls=policy.mode)) for policy in policies))


class Steps:
    """The possible operations. A step returns its description, or None if it has no object."""

    WEIGHTS = {"add": 15, "place": 3, "mount": 5, "stack": 3, "second_name": 4, "unmount": 3, "remove": 5, "again": 2,
               "succeed": 2, "move": 3, "unlink_elsewhere": 2, "rename_elsewhere": 2, "bind_other": 1, "cover": 0.4,
               "uncover": 2, "put_aside": 0.3, "bring_back": 1, "drift": 14, "storm": 1, "interface": 2, "keep": 2,
               "let_go": 2, "stop": 1, "cont": 3, "reload": 1.5, "pause": 5}

    def __init__(self, seed, world, run):
        self.random = random.Random(seed)
        self.world = world
        self.run = run

    def next(self):
        while True:
            name = self.random.choices(list(self.WEIGHTS), self.WEIGHTS.values())[0]
            done = getattr(self, name)()
            if done is not None:
                return name, done

    def _directory(self):
        return self.random.choices(DIRECTORIES, (3, 1))[0]

    def _free(self, directory=None):
        """An unused name."""
        directory = directory or self._directory()
        taken = self.world.top(directory)
        free = [name for name in NAMES if name not in taken]
        return directory, self.random.choice(free) if free else f"more-{len(taken)}-{self.random.random()}".encode()

    def _entry(self, condition):
        fitting = [(path, name) for path, name, entry in self.world.entries() if condition(entry)]
        return self.random.choice(fitting) if fitting else None

    def _netns(self, condition=lambda netns: True):
        reachable = [netns for netns in self.world.netns if netns.kept >= 0 or netns in self.world.visible()]
        fitting = [netns for netns in reachable if condition(netns)]
        return self.random.choice(fitting) if fitting else None

    def _room(self):
        return len(self.world.netns) < MOST_NETNS

    def _mount_new(self, directory, name):
        netns = self.world.make_netns()
        self.world.mount(directory, name, netns)
        netns.let_go()
        return f"{directory} {name}: {netns}"

    def add(self):
        if not self._room():
            return None
        directory, name = self._free()
        self.world.place(directory, name)
        return self._mount_new(directory, name)

    def place(self):
        directory, name = self._free()
        kind = self.random.choice(ODDITIES)
        self.world.place(directory, name, kind)
        return f"{directory} {name}: {kind}"

    @staticmethod
    def _mountable(entry):
        return entry.kind != "directory" and not entry.kind.startswith("/")

    def mount(self):
        at = self._entry(lambda entry: not entry.mounts and self._mountable(entry))
        return self._mount_new(*at) if at and self._room() else None

    def stack(self):
        at = self._entry(lambda entry: 0 < len(entry.mounts) < 4)
        return self._mount_new(*at) if at and self._room() else None

    def second_name(self):
        netns = self._netns()
        if not netns:
            return None
        at = self._entry(lambda entry: self._mountable(entry) and len(entry.mounts) < 4) if self.random.random() < 0.4 else None
        if not at:
            at = self._free()
            self.world.place(*at)
        self.world.mount(*at, netns)
        return f"{at}: {netns}"

    def bind_other(self):
        at = self._entry(lambda entry: self._mountable(entry) and len(entry.mounts) < 4)
        source = self.random.choice(OTHERS_NSFS)
        if at:
            self.world.mount(*at, source)
        return at and f"{at}: {source}"

    def unmount(self):
        at = self._entry(lambda entry: entry.mounts)
        if at:
            self.world.unmount(*at)
        return at

    def remove(self):
        at = self._entry(lambda entry: True)
        if at:
            self.world.remove(*at)
        return at

    def again(self):
        """Deleted and recreated as fast as possible."""
        at = self._entry(lambda entry: entry.mounts)
        if not at or not self._room():
            return None
        count = self.random.randint(1, 8)
        for _ in range(count):
            self.world.remove(*at)
            self.world.place(*at)
            last = self._mount_new(*at)
        return f"{count} times {last}"

    def succeed(self):
        """New netns under new names, soon after one died without an event: one of them may get its inode number."""
        at = self._entry(lambda entry: len(entry.mounts) == 1 and entry.mounts[0])
        if not at or len(self.world.netns) > MOST_NETNS - 4:
            return None
        netns = self.world.top(at[0])[at[1]].mounts[0]
        self.world.unmount(*at)
        soon = time.monotonic() + 0.1  # not guaranteed: a stopped daemon may still be in it
        while not netns.is_dead() and time.monotonic() < soon:
            time.sleep(0.001)
        heirs = []
        for _ in range(self.random.randint(1, 4)):
            to = self._free()
            self.world.place(*to)
            heirs.append(self._mount_new(*to))
        return f"{at} {netns} by {heirs}"

    def move(self):
        at = self._entry(lambda entry: entry.mounts)
        if not at:
            return None
        to = self._free()
        self.world.place(*to)
        self.world.move_mount(*at, *to)
        if not self.world.top(at[0])[at[1]].mounts and self.random.random() < 0.7:
            self.world.unlink(*at)
        return f"{at} to {to}"

    def unlink_elsewhere(self):
        at = self._entry(lambda entry: entry.mounts)
        if at:
            self.world.unlink_elsewhere(*at)
        return at

    def rename_elsewhere(self):
        at = self._entry(lambda entry: entry.kind != "directory")
        if not at:
            return None
        to = self._free(at[0])[1]
        if self.random.random() < 0.3:
            over = [name for name, entry in self.world.top(at[0]).items() if entry.kind != "directory" and name != at[1]]
            to = self.random.choice(over) if over else to
        self.world.rename_elsewhere(*at, to)
        return f"{at} to {to}"

    def cover(self):
        directory = self._directory()
        if len(self.world.layers[directory]) > 2:
            return None
        self.world.cover(directory)
        return directory

    def uncover(self):
        directory = self._directory()
        if len(self.world.layers[directory]) == 1:
            return None
        self.world.uncover(directory)
        return directory

    def put_aside(self):
        directory = self._directory()
        if len(self.world.layers[directory]) > 1 or len(self.world.aside) > 2:
            return None
        self.world.put_aside(directory)
        return directory

    def bring_back(self):
        directory = self._directory()
        if len(self.world.layers[directory]) > 1 or not self.world.aside:
            return None
        for name in list(self.world.top(directory)):
            self.world.remove(directory, name)
        self.world.bring_back(directory, self.random.randrange(len(self.world.aside)))
        return directory

    def _drift(self, choose, netns):
        key = choose.choice(sorted(netns.fds))
        value = choose.choice(DRIFTS[key])
        netns.write(key, value)
        return f"{netns.label} {key} = {value!r}"

    def drift(self):
        netns = self.random.choice(self.world.netns) if self.world.netns else None
        return netns and self._drift(self.random, netns)

    def storm(self):
        """Another process that writes repeatedly while the steps continue."""
        netns = [netns for netns in self.world.netns if self.random.random() < 0.3]
        seconds, choose = self.random.uniform(0.01, 0.2), random.Random(self.random.random())
        if not netns or self.run.storms:
            return None

        def run_storm():
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    self._drift(choose, choose.choice(netns))
                except (KeyError, OSError):  # its interface was removed meanwhile
                    pass
                time.sleep(0.0005)

        self.run.storms.append(threading.Thread(target=run_storm))
        self.run.storms[-1].start()
        return f"{seconds:.3f} s on {len(netns)} netns"

    def interface(self):
        netns = self._netns()
        if not netns:
            return None
        what = "delete_interface" if BRIDGE in netns.fds else "add_interface"
        getattr(self.world, what)(netns)
        return f"{what} {netns}"

    def keep(self):
        netns = self._netns(lambda netns: netns.kept < 0)
        if not netns or sum(netns.kept >= 0 for netns in self.world.netns) > 6:
            return None
        self.world.keep(netns)
        return netns

    def let_go(self):
        netns = self._netns(lambda netns: netns.kept >= 0)
        if netns:
            netns.let_go()
        return netns and netns.label

    def stop(self):
        self.run.daemon.signal(signal.SIGSTOP)
        return ""

    def cont(self):
        self.run.daemon.signal(signal.SIGCONT)
        return ""

    def reload(self):
        how = self.random.choice(["moved", "moved", "signalled", "broken"])
        if how == "broken":  # and repaired immediately: an unread predecessor would never be in force
            self.run.configure(text_of(self.world.policies).replace("version", "vresion"))
            self.pause()
            self.run.configure(text_of(self.world.policies))
            return how
        self.world.govern_by(self.random.choices(CONFIGS, (3, 3, 2, 1))[0])
        self.run.configure(text_of(self.world.policies))
        if how == "signalled":
            self.run.daemon.signal(signal.SIGHUP)
        return f"{how}: {[policy.name for policy in self.world.policies]}"

    def pause(self):
        time.sleep(self.random.uniform(0, 0.02))
        return ""
