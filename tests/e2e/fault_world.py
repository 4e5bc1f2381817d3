# SPDX-License-Identifier: Apache-2.0
"""The netns of a daemon under faults, and their permitted and required changes. Used by fault_subject.py."""

import http.client
import os
import time

import harness
from harness import add_netns, config, delete_netns, policy

KEY = "net.ipv4.tcp_keepalive_time"
SETTINGS = {"net.ipv4.ip_default_ttl": 77, "net.core.somaxconn": 1234, "net.ipv4.ip_local_reserved_ports": "8080-8082"}
ENTERED = "net.mptcp.enabled"  # used from inside only (kernel fact 14)
PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "8"))  # seconds to become compliant again


class Problem(AssertionError):
    """An invariant was violated."""


def until(condition, what, patience=PATIENCE):
    """Waits until condition() returns None; raises with its last problem otherwise."""
    end = time.monotonic() + patience
    while True:
        try:
            wrong = condition()
        except (OSError, http.client.HTTPException) as error:
            wrong = repr(error)
        if wrong is None:
            return
        if time.monotonic() > end:
            raise Problem(f"{what}: not within {patience:g} s: {wrong}")
        time.sleep(0.003)


def held(names, flags=os.O_RDWR):
    """{key: fd} in the netns of the calling thread; the fds work from outside too (kernel fact 12)."""
    return {name: os.open(harness.key_path(name), flags | os.O_CLOEXEC) for name in names}


def value(fd):
    return " ".join(os.pread(fd, 4096, 0).decode().split())


class Untouched:
    """Every stable value below net/ipv4 in one netns, except `governed`: they must never be written."""

    def __init__(self, governed=()):
        self.fds = {}
        for top in ("net/ipv4", "net/ipv4/conf/all", "net/ipv4/conf/default", "net/ipv4/conf/lo", "net/core"):
            for name in os.listdir("/proc/sys/" + top):
                key = f"{top}/{name}".replace("/", ".")
                if key not in governed and os.path.isfile(f"/proc/sys/{top}/{name}"):
                    self._hold(key)
        self.values = {key: self._read(fd) for key, fd in self.fds.items()}

    def _hold(self, key):
        try:
            self.fds.update(held([key], os.O_RDONLY))
        except OSError:
            pass  # write-only

    @staticmethod
    def _read(fd):
        try:
            return os.pread(fd, 4096, 0)
        except OSError as error:
            return error.errno

    def changed(self):
        return {key: (self.values[key], self._read(fd)) for key, fd in self.fds.items() if self._read(fd) != self.values[key]}

    def close(self):
        for fd in self.fds.values():
            os.close(fd)


class World:
    """The netns around the daemon: two governed ones, one under audit, one without a policy, one that lacks a key."""

    def __init__(self, directory):
        self.config_file = os.path.join(directory, "nswarden.yaml")
        self.settings = dict(SETTINGS)
        if os.path.exists(harness.key_path(ENTERED)):
            self.settings[ENTERED] = 0
        self.want = 1234
        self.created = os.path.join(directory, "created")
        self.governed = {}
        self.untouched = {"the test's own netns": Untouched()}
        self.number = 0
        for name in ("router-1", "router-2"):
            self.add(name)
            self.untouched[name] = harness.inside(name, lambda: Untouched({KEY, *self.settings}))
        for name in ("audit-1", "plain-1", "lacking-1"):
            add_netns(name)
            self.untouched[name] = harness.inside(name, Untouched)
        self.configure()

    def configure(self):
        append = f"['echo $NETNS >>{self.created}']"
        commands = f"    commands:\n      startup: {append}\n      events: {{IN_CREATE: {append}}}\n"
        text = config(policy("routers", "^router-", {KEY: self.want, **self.settings}) + commands,
                      policy("watched", "^audit-", {KEY: 4321}, mode="audit"),
                      policy("lacking", "^lacking-", {"net.ipv4.conf.absent.forwarding": 1}))
        with open(self.config_file + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(self.config_file + ".new", self.config_file)

    def add(self, name=None):
        if name is None:
            self.number += 1
            name = f"router-new-{self.number}"
        add_netns(name)
        self.governed[name] = harness.inside(name, lambda: held([KEY, *self.settings]))
        return name

    def delete(self, name):
        delete_netns(name)
        for fd in self.governed.pop(name).values():
            os.close(fd)

    def delete_new(self):
        new = [name for name in self.governed if name.startswith("router-new-")]
        for name in new:
            self.delete(name)
        return new

    def drift(self):
        os.pwrite(self.governed["router-1"][KEY], b"4000", 0)
        os.pwrite(self.governed["router-2"]["net.core.somaxconn"], b"4000", 0)

    def noncompliant_setting(self):
        """None if every setting of every governed netns is compliant."""
        for name, fds in self.governed.items():
            for key, fd in fds.items():
                want = str(self.settings.get(key, self.want))
                if value(fd) != want:
                    return f"{key} is {value(fd)} in {name}, wanted {want}"
        return None

    def commands_twice(self):
        """Startup or IN_CREATE commands run once per lifetime of a netns as the daemon sees it; a fault may prevent the run."""
        with open(self.created, encoding="ascii") as file:
            names = file.read().split()
        return [name for name in names if names.count(name) > 1]

    def unexpected_write(self):
        return {name: changed for name, changed in ((name, one.changed()) for name, one in self.untouched.items()) if changed}

    def close(self):
        for name in list(self.governed):
            self.delete(name)
        for name in ("audit-1", "plain-1", "lacking-1"):
            delete_netns(name)
        for one in self.untouched.values():
            one.close()
