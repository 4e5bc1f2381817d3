# SPDX-License-Identifier: Apache-2.0
"""Interfaces of netns, for tests of per-interface settings. By ioctl, which takes any name that the kernel takes."""

import fcntl
import os
import socket

import harness
from harness import add_netns, config, inside, wait_until

SIOCBRADDBR, SIOCBRDELBR, SIOCSIFNAME = 0x89a0, 0x89a1, 0x8923

V4, V6 = "net.ipv4.conf.*.rp_filter", "net.ipv6.conf.*.accept_ra"
WANT, WANT_V6 = "2", "0"  # a new interface has 0 and 1
BOTH = {V4: WANT, V6: WANT_V6}


def bridges(change, *names):
    """SIOCBRADDBR or SIOCBRDELBR, for a thread inside a netns: takes any name that the kernel takes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name in names:
            fcntl.ioctl(control, change, os.fsencode(name).ljust(16, b"\0"))


def add(netns, *names):
    inside(netns, lambda: bridges(SIOCBRADDBR, *names))


def delete(netns, *names):
    inside(netns, lambda: bridges(SIOCBRDELBR, *names))


def rename(netns, name, to_name):
    def run():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCSIFNAME, os.fsencode(name).ljust(16, b"\0") + os.fsencode(to_name).ljust(24, b"\0"))

    inside(netns, run)


def path_of_key(key, interface):
    """The key with `*` for the interface."""
    before, after = ("/proc/sys/" + key.replace(".", "/")).split("*")
    return os.fsencode(before) + os.fsencode(interface) + os.fsencode(after)


def value(netns, interface, key=V4):
    def read():
        with open(path_of_key(key, interface), "rb") as file:
            return file.read().strip().decode("ascii")

    return inside(netns, read)


def put(netns, interface, text, key=V4):
    def write():
        with open(path_of_key(key, interface), "wb") as file:
            file.write(str(text).encode("ascii"))

    inside(netns, write)


def policy(name, netns, sysctls, *extra):
    return harness.policy(name, netns, sysctls) + "".join(f"    {line}\n" for line in extra)


class InterfacesCase(harness.Case):
    def setUp(self):
        super().setUp()
        add_netns("r1")

    def start_with(self, sysctls, *extra, **options):
        self.configure(config(policy("routers", "^r", sysctls, *extra)))
        return self.start(**options)

    def wait_governed(self, netns, *names, want=None):
        """Each interface is compliant by both keys, or by those in `want`."""
        want = want or BOTH

        def is_compliant():
            return all(value(netns, name, key) == str(wanted) for name in names for key, wanted in want.items())

        wait_until(is_compliant, lambda: f"{names} are right in {netns}")

    def wait_managed(self, daemon, count):
        return daemon.wait_metrics(lambda m: m.sum("managed_sysctls") == count and m.sum("drifted_sysctls") == 0,
                                   f"{count} settings are right")
