# SPDX-License-Identifier: Apache-2.0
"""The netns directories of a host as a test has made them, and what a daemon owes them. Every operation does something to the
real directories and writes the same down in the model, so that what must be true follows without asking the daemon.

A netns is known from before anybody else can see it: an fd of each of its sysctl files is held, which keeps no netns alive and
says ENOENT when it has died (kernel fact 5), reads the truth from anywhere (fact 12), and pins the inode by which the witness
knows whose file was written (fact 15)."""

import ctypes
import errno
import os
import re
import socket
import struct
import subprocess
from functools import lru_cache
from typing import NamedTuple

from harness import CLONE_NEWNET, MNT_DETACH, MS_BIND, NETNS_DIR, call, in_thread, mount

CLONE_NEWNS, MS_MOVE, SO_NETNS_COOKIE = 0x20000, 0x2000, 71
DIRECTORIES = [NETNS_DIR, "/run/second"]
TIME, INTERVAL = "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_intvl"
FORWARD, REDIRECTS = "net.ipv4.ip_forward", "net.ipv4.conf.all.accept_redirects"  # the first changes the second (kernel fact 27)
PORTS, LIBERAL = "net.ipv4.ip_local_reserved_ports", "net.netfilter.nf_conntrack_tcp_be_liberal"
INTERFACE = "br.7"
BRIDGE, ABSENT, NOBODYS = "net.ipv4.conf.br/7.rp_filter", "net.ipv4.no_such_key", "net.ipv4.tcp_fin_timeout"
KEYS = [TIME, INTERVAL, FORWARD, REDIRECTS, PORTS, LIBERAL, BRIDGE, NOBODYS]
DRIFTS = {TIME: ["7200", "1111", "2222", "9"], INTERVAL: ["75", "33", "44"], FORWARD: ["0", "1"], REDIRECTS: ["0", "1"],
          PORTS: ["", "1", "8080-8082"], LIBERAL: ["0", "1"], BRIDGE: ["0", "1", "2"], NOBODYS: ["60", "7"]}
STORED_AS = {"8080,8081,8082": "8080-8082"}  # the kernel's own spelling: clamped (kernel fact 28)


class Policy(NamedTuple):
    name: str
    netns: str
    mode: str
    sysctls: dict


class Owed(NamedTuple):
    """A setting of a governed netns."""
    policy: str
    mode: str
    want: str


def swapped(text):
    return text.translate(str.maketrans("./", "/."))


@lru_cache(maxsize=10000)
def matches(pattern, name):
    return re.match(pattern.encode(), name, re.DOTALL) is not None


def owed_to(policies, names):
    """What a netns of these names must have: {key: Owed}; and the policies that match it."""
    matched = [policy for policy in policies if any(matches(policy.netns, name) for name in names)]
    return {key: Owed(policy.name, policy.mode, str(want)) for policy in matched for key, want in policy.sysctls.items()}, matched


def printable(name):
    """Of a name as the tests here have them: no valid UTF-8 beyond ASCII."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in name)


class Netns:
    """One life of a netns."""

    def __init__(self, label, witness):
        self.label = label
        self.kept = -1  # an fd of the test that keeps it alive
        self.fds = {}
        self.old_fds = []
        self.witness = witness

    def come_to_life(self):
        def make():
            call("unshare", CLONE_NEWNET)
            self.open_keys()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
                self.cookie = struct.unpack("=Q", here.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]
            self.kept = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        in_thread(make)
        self.inode = os.fstat(self.kept).st_ino

    def open_keys(self):
        """From inside."""
        for key in KEYS:
            if key in self.fds:
                continue
            try:
                self.fds[key] = os.open("/proc/sys/" + swapped(key), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            self.witness.owners[os.fstat(self.fds[key]).st_ino] = (self.label, key)

    def let_go(self):
        os.close(self.kept)
        self.kept = -1

    def read(self, key):
        """None when there is no such key."""
        if key not in self.fds:
            return None
        return " ".join(os.pread(self.fds[key], 4096, 0).decode().split())

    def write(self, key, value):
        """What another program does. A netns that has died meanwhile is no error."""
        try:
            os.pwrite(self.fds[key], value.encode() or b"\n", 0)
        except FileNotFoundError:
            pass

    def is_dead(self):
        try:
            os.pread(self.fds[TIME], 64, 0)
        except FileNotFoundError:
            return True
        return False

    def close(self):
        for fd in [*self.fds.values(), *self.old_fds]:
            os.close(fd)
        if self.kept >= 0:
            self.let_go()

    def __repr__(self):
        return f"{self.label}(cookie {self.cookie}, inode {self.inode}{', kept' if self.kept >= 0 else ''})"


class Entry:
    """A name: what lies there, and what is mounted on it, the last one on top. A mount of no netns that counts is None."""

    def __init__(self, kind):
        self.kind = kind
        self.mounts = []


class World:
    def __init__(self, witness):
        self.witness = witness
        self.made = 0
        self.netns = []  # all that have not been seen dead
        self.layers = {path: [{}] for path in DIRECTORIES}  # what is mounted over a directory hides what was there
        self.aside = []  # (path, names) of directories that were moved away
        self.policies = []  # in force, or about to be
        self.allowed = set()  # (netns, key) that the daemon may have written since the last judgement
        for path in DIRECTORIES:
            os.makedirs(path, exist_ok=True)

    # What is there and what is owed.

    def top(self, directory):
        return self.layers[directory][-1]

    def entries(self):
        """All that can be reached by a path: (directory, name, entry)."""
        return [(path, name, entry) for path in DIRECTORIES for name, entry in self.top(path).items()]

    def referenced(self):
        """Netns that the directories keep alive, in sight or not."""
        everywhere = [names for layers in self.layers.values() for names in layers] + [names for _, names in self.aside]
        return {netns for names in everywhere for entry in names.values() for netns in entry.mounts if netns}

    def visible(self):
        """{netns: [(label as bytes, name)]}, the name that is shown first."""
        found = {}
        for path, name, entry in self.entries():
            if entry.mounts and entry.mounts[-1]:
                label = name if path == DIRECTORIES[0] else os.fsencode(path) + b"/" + name
                found.setdefault(entry.mounts[-1], []).append((label, name))
        return {netns: sorted(names) for netns, names in found.items()}

    def allow(self):
        """After each change: what is owed now may be written until the next judgement, since the daemon may be quick or slow."""
        for netns, names in self.visible().items():
            for key, owed in owed_to(self.policies, [name for _, name in names])[0].items():
                if owed.mode == "enforce":
                    self.allowed.add((netns.label, key))

    # Operations.

    def make_netns(self):
        self.made += 1
        netns = Netns(f"netns-{self.made}", self.witness)
        netns.come_to_life()
        self.netns.append(netns)
        return netns

    @staticmethod
    def path(directory, name):
        return os.path.join(os.fsencode(directory), name)

    def place(self, directory, name, kind="file"):
        path = self.path(directory, name)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            os.mkdir(path)
        elif kind == "device":
            os.mknod(path, 0o20600, os.makedev(1, 3))
        elif kind == "socket":
            os.mknod(path, 0o140600)
        elif kind.startswith("/"):
            os.symlink(kind, path)
        else:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0)
            os.write(fd, b"" if kind == "file" else b"content\n")
            os.close(fd)
        self.top(directory)[name] = Entry(kind)

    def mount(self, directory, name, netns):
        """A netns, or a path of something else that nsfs has."""
        if isinstance(netns, Netns):
            source = f"/proc/self/fd/{netns.kept}" if netns.kept >= 0 else self.path_to(netns)
        else:
            source, netns = netns, None
        mount(source, self.path(directory, name), b"none", MS_BIND)
        self.top(directory)[name].mounts.append(netns)
        self.allow()

    def path_to(self, netns):
        return next(self.path(path, name) for path, name, entry in self.entries() if entry.mounts[-1:] == [netns])

    def unmount(self, directory, name, flags=MNT_DETACH):
        call("umount2", self.path(directory, name), flags)
        self.top(directory)[name].mounts.pop()
        self.allow()

    def unlink(self, directory, name):
        entry = self.top(directory)[name]
        (os.rmdir if entry.kind == "directory" else os.unlink)(self.path(directory, name))
        del self.top(directory)[name]
        self.allow()

    def remove(self, directory, name):
        while self.top(directory)[name].mounts:
            self.unmount(directory, name)
        self.unlink(directory, name)

    def move_mount(self, directory, name, to_directory, to_name):
        mount(self.path(directory, name), self.path(to_directory, to_name), None, MS_MOVE)
        self.top(to_directory)[to_name].mounts.append(self.top(directory)[name].mounts.pop())
        self.allow()

    def elsewhere(self, paths, function):
        """Calls function in a mount namespace where nothing is mounted on the paths, so that it may unlink or rename them. Here,
        mounts on what is unlinked go, and mounts on what is renamed go with it."""
        def run():
            call("unshare", CLONE_NEWNS)
            for path in paths:
                try:
                    while True:
                        call("umount2", path, MNT_DETACH)
                except OSError as error:
                    if error.errno not in (errno.EINVAL, errno.ENOENT):
                        raise
            function()

        in_thread(run)

    def unlink_elsewhere(self, directory, name):
        path = self.path(directory, name)
        self.elsewhere([path], lambda: os.unlink(path))
        del self.top(directory)[name]
        self.allow()

    def rename_elsewhere(self, directory, name, to_name):
        paths = self.path(directory, name), self.path(directory, to_name)
        self.elsewhere(paths, lambda: os.rename(*paths))
        self.top(directory)[to_name] = self.top(directory).pop(name)
        self.allow()

    def cover(self, directory):
        mount("tmpfs", directory, b"tmpfs")
        self.layers[directory].append({})
        self.allow()

    def uncover(self, directory):
        call("umount2", os.fsencode(directory), MNT_DETACH)
        self.layers[directory].pop()
        self.allow()

    def put_aside(self, directory):
        """The directory is replaced by an empty one."""
        path = f"/run/aside-{self.made}-{len(self.aside)}"
        os.rename(directory, path)
        os.mkdir(directory)
        self.aside.append((path, self.top(directory)))
        self.layers[directory][-1] = {}
        self.allow()

    def bring_back(self, directory, index):
        """In place of an empty one, by one rename."""
        path, names = self.aside.pop(index)
        os.rename(path, directory)
        self.layers[directory][-1] = names
        self.allow()

    def inside(self, netns, function):
        fd = os.open(self.path_to(netns), os.O_RDONLY | os.O_CLOEXEC) if netns.kept < 0 else os.dup(netns.kept)

        def run():
            call("setns", fd, CLONE_NEWNET)
            function()

        try:
            in_thread(run)
        finally:
            os.close(fd)

    def add_interface(self, netns):
        def add():
            subprocess.run(["ip", "link", "add", INTERFACE, "type", "bridge"], check=True)
            netns.open_keys()

        self.inside(netns, add)

    def delete_interface(self, netns):
        netns.old_fds.append(netns.fds.pop(BRIDGE))
        self.inside(netns, lambda: subprocess.run(["ip", "link", "delete", INTERFACE], check=True))

    def keep(self, netns):
        """By a file that is on none of the mounts here: it would keep alive what is stacked on the same one, too."""
        def keep():
            netns.kept = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self.inside(netns, keep)

    def troubles(self):
        """Where the model is wrong: then the test is."""
        found = []
        for path in DIRECTORIES:
            there = set(os.listdir(os.fsencode(path)))
            if there != set(self.top(path)):
                found.append(f"model: {path} has {sorted(there)}, not {sorted(self.top(path))}")
        for path, name, entry in self.entries():
            if entry.mounts and entry.mounts[-1]:
                inode = os.stat(self.path(path, name)).st_ino
                if inode != entry.mounts[-1].inode:
                    found.append(f"model: {path} {name} leads to inode {inode}, not {entry.mounts[-1]}")
        return found

    def close(self):
        for netns in self.netns:
            netns.close()
