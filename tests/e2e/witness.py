# SPDX-License-Identifier: Apache-2.0
"""Observes the daemon's writes independently of the daemon and of the kernel's sysctl code: fanotify. One mark on the whole of
the test's procfs reports every write to every sysctl of every netns through it (kernel fact 15), by any process; a mark on /run
reports opens and writes of entries in a netns directory. Opening with O_PATH, which is permitted, does not count there.

An event names the process and the file. The netns of a sysctl file follows from its inode number, which procfs assigns once:
note_here() and learn() record the numbers of `keys` from inside a netns. Unrecorded numbers are "unknown", so a test creates
its netns by this class, before the daemon can know them. Standard library only.
"""

import ctypes
import os
import re
import select
import struct
import threading
from typing import NamedTuple

import harness
from harness import CLONE_NEWNET, MS_BIND, NETNS_DIR, call, in_thread, inside, key_path, path_of, place_file

AT_FDCWD = -100
FAN_MODIFY, FAN_OPEN, FAN_Q_OVERFLOW = 0x2, 0x20, 0x4000
FAN_CLOEXEC, FAN_NONBLOCK, FAN_UNLIMITED_QUEUE = 0x1, 0x2, 0x10
FAN_MARK_ADD, FAN_MARK_FILESYSTEM = 0x1, 0x100
EVENT = struct.Struct("=IBBHQii")  # fanotify_event_metadata: size, version, reserved, metadata size, mask, fd, pid

HOME = "home"  # the netns of test and daemon, which they take for the first one
UNKNOWN = "unknown"


class Hit(NamedTuple):
    """A write, or the opening of an entry in a netns directory. `netns`: the recorded name, or None for a file that is not a
    sysctl of a netns; `key`: None for a file that is not a sysctl."""
    pid: int
    what: str  # "write" or "open"
    path: str
    inode: int
    netns: str
    key: str


class Witness:
    """Watches from construction to close(). `keys` are those that policies name, written with dots."""

    def __init__(self, keys, run="/run"):
        self.keys = list(keys)
        self.owners = {}  # inode of a sysctl file: (netns, key)
        self.lost = 0  # events of files that could not be opened any more: their netns had died
        self.events = []  # (pid, `what`, path, inode), in order
        self.known_paths = {}  # inode: path of a sysctl file; cached because reading a link is the most expensive step
        self.procfs = os.stat("/proc").st_dev
        self.lock = threading.Lock()
        self.fd = call("fanotify_init", FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._mark("/proc", FAN_MODIFY)
        self._mark(run, FAN_MODIFY | FAN_OPEN)
        self.record_here(HOME)
        self.wake_reader, self.wake_writer = os.pipe2(os.O_CLOEXEC)
        self.reader = threading.Thread(target=self._watch, daemon=True)
        self.reader.start()

    def _mark(self, path, mask):
        call("fanotify_mark", self.fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ctypes.c_uint64(mask), AT_FDCWD, os.fsencode(path))

    def close(self):
        os.close(self.wake_writer)
        self.reader.join()
        os.close(self.wake_reader)
        os.close(self.fd)

    def _watch(self):
        waiter = select.poll()
        waiter.register(self.fd, select.POLLIN)
        waiter.register(self.wake_reader, select.POLLHUP)
        while not any(fd == self.wake_reader for fd, _ in waiter.poll()):
            self.read()

    def read(self):
        """Reads all pending events. Also called before a verdict, so that no event is missing."""
        with self.lock:
            while True:
                try:
                    batch = os.read(self.fd, 4096)
                except BlockingIOError:
                    return
                except OSError:  # the first event's file is gone; the kernel has dropped the event
                    self.lost += 1
                    continue
                for at in range(0, len(batch), EVENT.size):
                    self._take(*EVENT.unpack_from(batch, at)[4:])

    def _take(self, mask, fd, pid):
        if mask & FAN_Q_OVERFLOW:
            raise AssertionError("an unlimited queue overflowed")
        try:
            inode, path = self._file_of(fd)
        finally:
            os.close(fd)
        for bit, what in ((FAN_OPEN, "open"), (FAN_MODIFY, "write")):
            if mask & bit:
                self.events.append((pid, what, path, inode))

    def _file_of(self, fd):
        try:
            status = os.fstat(fd)
            inode, known = status.st_ino, status.st_dev == self.procfs
        except FileNotFoundError:  # a sysctl whose netns has died since the event was read
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
                inode, known = int(re.search(r"^ino:\s*(\d+)$", info.read(), re.MULTILINE)[1]), True
        if known and inode in self.known_paths:
            return inode, self.known_paths[inode]
        path = os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")
        if path.startswith("/proc/sys/"):
            self.known_paths[inode] = path
        return inode, path

    def record_here(self, name, keys=None):
        """For a thread inside a netns: records it as `name`'s. Needs no fd, because procfs keeps such inodes while the netns
        lives."""
        for key in self.keys if keys is None else keys:
            try:
                self.owners[os.stat(key_path(key)).st_ino] = (os.fsdecode(name), key)
            except FileNotFoundError:
                pass  # not every netns has every key

    def record_netns(self, name, directory=NETNS_DIR, keys=None):
        """The same from outside, for a netns that another process made or an interface that was added later."""
        inside(name, lambda: self.record_here(name, keys), directory)

    def mount_netns(self, name, directory=NETNS_DIR):
        """harness.mount_netns(), recorded before any other process can see it."""
        def make():
            call("unshare", CLONE_NEWNET)
            self.record_here(name)
            harness.mount("/proc/thread-self/ns/net", path_of(name, directory), b"none", MS_BIND)

        in_thread(make)

    def add_netns(self, name, directory=NETNS_DIR):
        """harness.add_netns(), recorded likewise."""
        os.makedirs(directory, exist_ok=True)
        place_file(name, directory)
        self.mount_netns(name, directory)

    def take_hits(self):
        """All events since the last call, which are then dropped: for tests that run for hours."""
        self.read()
        with self.lock:
            events, self.events = self.events, []
        return self._hits(events)

    def hits(self, pid=None):
        """All events so far of one process, or of all."""
        self.read()
        return self._hits(list(self.events), pid)

    def _hits(self, events, pid=None):
        found = []
        for event in events:
            if pid not in (None, event[0]):
                continue
            found.append(Hit(*event, *self._owner(*event[2:])))
        return found

    def _owner(self, path, inode):
        if not path.startswith("/proc/sys/"):
            return None, None
        nobody = UNKNOWN if path.startswith("/proc/sys/net/") else None, path[len("/proc/sys/"):]
        return self.owners.get(inode, nobody)

    def foreign(self, pid, allowed):
        """Other accesses of the process: every hit, once, except writes for which allowed(netns, key) is true."""
        return sorted({hit for hit in self.hits(pid) if hit.what != "write" or hit.netns in (None, UNKNOWN) or
                       not allowed(hit.netns, hit.key)}, key=str)


class Case(harness.Case):
    """A test with a watched daemon. `WANTED` lists the permitted writes: {RE2 pattern of the name: {key: value}}."""

    WANTED = {}

    def setUp(self):
        super().setUp()
        self.aliases = {}  # former and current names of a netns, by the one under which it was made
        self.witness = Witness(sorted({key for wanted in self.WANTED.values() for key in wanted}))
        self.addCleanup(self.witness.close)

    def wanted(self, *names):
        """{key: value} of a netns with these names: from the last pattern that matches one of them."""
        settings = {}
        for pattern, wanted in self.WANTED.items():
            if any(re.match(pattern, os.fsdecode(name), re.DOTALL) for name in names):
                settings.update(wanted)
        return settings

    def assert_governs_all_and_nothing_else(self, daemon, names, unmatched=0, aliases=None, lacking=None, directory=NETNS_DIR):
        """The daemon governs every real netns and has written nothing anywhere else. `names` has one name of each netns that a
        policy matches, `aliases` its further names: {name: [others]}, `lacking` its missing keys: {name: [keys]}; `unmatched`
        is the number of netns without a policy.

        Every netns is compliant, is counted, and, if sweeps are frequent, repaired after a change. The witness has seen the
        daemon write only to settings of its policies, in netns whose name they match, and open no entry. The daemon stays in
        its initial namespaces.
        """
        settings = {name: self.wanted(name, *(aliases or {}).get(name, ())) for name in names}
        count = sum(len(wanted) for wanted in settings.values())
        absent = [settings[name].pop(key) for name, keys in (lacking or {}).items() for key in keys]
        for wanted in settings.values():
            self.assertTrue(wanted, "a netns that no policy matches is not governed")
        self._wait_compliant(daemon, settings, directory)
        for name, wanted in list(settings.items())[:8] if daemon.interval != "1h" else ():
            key = sorted(wanted)[0]
            harness.put(name, key, int(wanted[key]) + 1, directory)
        self._wait_compliant(daemon, settings, directory)

        def matches(metrics):
            return (metrics.sum("managed_sysctls") == count and metrics.sum("drifted_sysctls") == len(absent) and
                    metrics.sum("netns_unmatched") == unmatched)

        daemon.wait_metrics(matches, f"{count} settings of {len(settings)} netns are right, {unmatched} netns are unmatched")
        self.assert_wrote_nothing_else(daemon)

    def _wait_compliant(self, daemon, settings, directory):
        for name, wanted in settings.items():
            def is_compliant(name=name, wanted=wanted):
                return inside(name, lambda: {key: harness.read_here(key) for key in wanted}, directory) == \
                    {key: str(value) for key, value in wanted.items()}

            harness.wait_until(is_compliant, lambda name=name: f"{name!r} is right; the log:\n{daemon.log()}")

    def assert_wrote_nothing_else(self, daemon):
        allowed = lambda netns, key: key in self.wanted(netns, *self.aliases.get(netns, ()))
        self.assertEqual(self.witness.foreign(daemon.process.pid, allowed), [], daemon.log())
