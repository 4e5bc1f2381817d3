# SPDX-License-Identifier: Apache-2.0
"""Entries of a netns directory that are not netns, or that must be left alone (kernel facts 6 and 7)."""

import errno
import os
import signal
import socket
import subprocess
import time

import harness
import witness
from harness import MS_BIND, NETNS_DIR, config, path_of, place_file, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
PLAIN_FIRST = ("fifo", "content", "socket", "null", "tty", "disk", "no-device")  # a netns can be mounted over these
NAMESPACES = ("uts", "ipc", "user", "pid", "cgroup", "time", "mnt")


def bind(source, name):
    place_file(name)
    harness.mount(source, path_of(name), b"none", MS_BIND)


def make_files():
    """All file types that mknod, mkdir, symlink and others can create."""
    place_file("router-stale")
    with open(path_of("router-content"), "w", encoding="ascii") as file:
        file.write("no netns\n")
    os.mkfifo(path_of("router-fifo"))
    for name, kind, number in (("null", 0o20600, (1, 3)), ("tty", 0o20600, (5, 0)), ("disk", 0o60600, (7, 0)),
                               ("no-device", 0o60600, (4000, 1))):
        os.mknod(path_of("router-" + name), kind, os.makedev(*number))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path_of("router-socket").decode())
    os.makedirs(path_of("router-directory/router-below"))
    for name, target in (("dangling", "/nowhere"), ("loop", "router-loop"), ("up", "."), ("to-init", "/proc/1/ns/net"),
                         ("to-self", "/proc/self/ns/net"), ("to-key", harness.key_path(KEY)), ("to-zero", "/dev/zero")):
        os.symlink(target, path_of("router-" + name))


def make_binds():
    """All mounts that are possible there, including new namespaces, in which the daemon would be noticed."""
    bind(path_of("router-content"), "router-bound-content")
    bind(path_of("router-fifo"), "router-bound-fifo")
    bind(harness.key_path(KEY), "router-bound-key")
    bind("/proc/sys/kernel/domainname", "router-bound-domainname")
    bind("/dev/null", "router-bound-null")
    os.mkdir(path_of("router-bound-directory"))
    harness.mount("/proc/sys/net", path_of("router-bound-directory"), b"none", MS_BIND)
    for kind in NAMESPACES:
        if kind != "mnt":  # a mount namespace cannot hold itself
            bind(f"/proc/self/ns/{kind}", f"router-own-{kind}")
    # Nor an older one; each processor has its own stock of numbers that order namespaces by age.
    assert any([bind_new_namespaces(processor) for processor in os.sched_getaffinity(0)])


def bind_new_namespaces(processor):
    """Whether a new mount namespace could be bound."""
    holder = subprocess.Popen(["taskset", "-c", str(processor), "unshare", "--uts", "--ipc", "--mount", "--user", "--pid", "--cgroup",
                               "--time", "--fork", "sh", "-c", "echo; exec sleep 100"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        holder.stdout.readline()
        for kind in NAMESPACES:
            link = kind + "_for_children" if kind in ("pid", "time") else kind
            bind(f"/proc/{holder.pid}/ns/{link}", f"router-{processor}-{kind}")
    except OSError as error:
        if error.errno != errno.EINVAL or kind != "mnt":
            raise
        return False
    finally:
        with open(f"/proc/{holder.pid}/task/{holder.pid}/children", encoding="ascii") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    return True


class HostileEntries(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        os.mkdir(NETNS_DIR)

    def namespaces_of(self, daemon):
        """All namespaces except the netns, which the loop changes constantly."""
        found = set()
        for thread in os.listdir(f"/proc/{daemon.process.pid}/task"):
            found.add(tuple(os.readlink(f"/proc/{daemon.process.pid}/task/{thread}/ns/{kind}") for kind in NAMESPACES))
        return found

    def assert_undisturbed(self, daemon, names):
        own = {tuple(os.readlink(f"/proc/self/ns/{kind}") for kind in NAMESPACES)}
        daemon.wait_sweeps()
        self.assert_governs_all_and_nothing_else(daemon, names)
        self.assertEqual(self.namespaces_of(daemon), own)

    def test_entries_of_every_kind_that_were_there_before_hang_nothing_hide_nothing_and_are_left_alone(self):
        self.witness.add_netns("router-a")
        make_files()
        make_binds()
        self.witness.add_netns("router-z")
        daemon = self.start()
        self.assert_undisturbed(daemon, ["router-a", "router-z"])

    def test_entries_of_every_kind_that_come_while_it_runs_hang_nothing_hide_nothing_and_are_left_alone(self):
        self.witness.add_netns("router-a")
        daemon = self.start()
        make_files()
        self.witness.add_netns("router-m")
        make_binds()
        self.witness.add_netns("router-z")
        self.assert_undisturbed(daemon, ["router-a", "router-m", "router-z"])

    def test_a_netns_is_governed_whatever_it_was_mounted_over(self):
        make_files()
        daemon = self.start()
        names = ["router-" + kind for kind in PLAIN_FIRST]
        for name in names:
            self.witness.mount_netns(name)
        self.assert_undisturbed(daemon, names)
        for name in names:
            harness.umount(path_of(name))
        self.witness.add_netns("router-z")
        self.assert_undisturbed(daemon, ["router-z"])

    def test_a_name_that_changes_its_kind_all_the_time_is_a_netns_only_while_it_is_one(self):
        daemon = self.start()
        make_files()
        kinds = [path_of("router-" + kind) for kind in PLAIN_FIRST]
        for kind in kinds:
            os.rename(kind, kind + b"-spare")
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            for kind in kinds:
                os.rename(kind + b"-spare", path_of("router-turncoat"))
                self.witness.mount_netns("router-turncoat")
                harness.umount(path_of("router-turncoat"))
                os.rename(path_of("router-turncoat"), kind + b"-spare")
        place_file("router-turncoat")
        self.witness.mount_netns("router-turncoat")
        self.assert_undisturbed(daemon, ["router-turncoat"])

    def test_the_hosts_netns_is_never_touched_under_whatever_name_it_comes(self):
        before = harness.read_here(KEY)
        daemon = self.start()
        bind("/proc/1/ns/net", "router-bind")
        bind("/proc/self/ns/net", "router-bind-self")
        os.symlink("/proc/1/ns/net", path_of("router-link"))
        self.witness.add_netns("router-covered")  # a real one below
        harness.mount("/proc/1/ns/net", path_of("router-covered"), b"none", MS_BIND)
        self.witness.add_netns("router-z")
        self.assert_undisturbed(daemon, ["router-z"])
        self.assertEqual(harness.read_here(KEY), before)
        harness.umount(path_of("router-covered"))
        self.assert_undisturbed(daemon, ["router-z", "router-covered"])


if __name__ == "__main__":
    harness.main()
