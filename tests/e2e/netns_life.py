# SPDX-License-Identifier: Apache-2.0
"""Netns of which the test knows the true state, and their owed settings by policy.

The test knows a netns before any other process can see it. It holds an fd of each of its sysctl files, which keeps no netns
alive and returns ENOENT when the netns has died (kernel fact 5), reads the truth from anywhere (fact 12), and pins the inode by
which the witness attributes writes (fact 15).
"""

import os
import re
import socket
import struct
from functools import lru_cache
from typing import NamedTuple

from harness import CLONE_NEWNET, call, in_thread

SO_NETNS_COOKIE = 71
TIME, INTERVAL = "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_intvl"
FORWARD, REDIRECTS = "net.ipv4.ip_forward", "net.ipv4.conf.all.accept_redirects"  # one changes the other (kernel fact 27)
GROUPS, LIBERAL = "net.ipv4.ping_group_range", "net.netfilter.nf_conntrack_tcp_be_liberal"
INTERFACE = "br.7"
BRIDGE, ABSENT, NOBODYS = "net.ipv4.conf.br/7.rp_filter", "net.ipv4.no_such_key", "net.ipv4.tcp_fin_timeout"
KEYS = [TIME, INTERVAL, FORWARD, REDIRECTS, GROUPS, LIBERAL, BRIDGE, NOBODYS]
DRIFTS = {TIME: ["7200", "1111", "2222", "9"], INTERVAL: ["75", "33", "44"], FORWARD: ["0", "1"], REDIRECTS: ["0", "1"],
          GROUPS: ["1 0", "3 7", "0 5"], LIBERAL: ["0", "1"], BRIDGE: ["0", "1", "2"], NOBODYS: ["60", "7"]}
STORED_AS = {"5 1": "1 0"}  # an empty range is clamped (kernel fact 28)


class Policy(NamedTuple):
    name: str
    netns: str
    mode: str
    sysctls: dict


class ExpectedSetting(NamedTuple):
    """A setting of a governed netns."""
    policy: str
    mode: str
    want: str


def swapped(text):
    return text.translate(str.maketrans("./", "/."))


@lru_cache(maxsize=10000)
def matches(pattern, name):
    return re.match(pattern.encode(), name, re.DOTALL) is not None


def settings_of(policies, names):
    """The settings owed to a netns of these names: {key: Owed}; and the matching policies."""
    matched = [policy for policy in policies if any(matches(policy.netns, name) for name in names)]
    by_key = {key: ExpectedSetting(policy.name, policy.mode, str(want)) for policy in matched for key, want in policy.sysctls.items()}
    return by_key, matched


def printable(name):
    """The displayed form of a name in these tests: not valid UTF-8 beyond ASCII."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in name)


class Netns:
    """One lifetime of a netns."""

    def __init__(self, label, witness):
        self.label = label
        self.kept = -1  # an fd of the test that keeps it alive
        self.fds = {}
        self.old_fds = []
        self.witness = witness

    def create(self):
        def make():
            call("unshare", CLONE_NEWNET)
            self.open_keys()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
                self.cookie = struct.unpack("=Q", here.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]
            self.kept = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        in_thread(make)
        self.inode = os.fstat(self.kept).st_ino

    def open_keys(self):
        """Runs inside the netns."""
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
        """None if the key does not exist."""
        if key not in self.fds:
            return None
        return " ".join(os.pread(self.fds[key], 4096, 0).decode().split())

    def write(self, key, value):
        """A write by another process. A netns that has died meanwhile is not an error."""
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
