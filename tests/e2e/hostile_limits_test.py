# SPDX-License-Identifier: Apache-2.0
"""Other processes have exhausted inotify instances, inotify watches or open files. The daemon reports it, governs by sweeps
alone, and recovers once the resource is available again."""

import os
import socket
import subprocess

import harness
import witness
from harness import CLONE_NEWNET, DEADLINE, call, config, in_thread, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class UserNamespace:
    """A user namespace with its own mounts and netns, where inotify limits affect no other process. `prefix` runs a command
    in it."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c",
                                         "mount -t tmpfs tmpfs /run && ip link set lo up && mkdir /run/netns && echo && exec sleep 1000"],
                                        stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise AssertionError("no user namespace")
        self.prefix = ["nsenter", "--user", "--mount", "--net", "--target", str(self.process.pid)]
        self.directory = f"/proc/{self.process.pid}/root/run/netns"  # as seen from outside

    def run(self, *command):
        subprocess.run([*self.prefix, *command], check=True)

    def limit(self, what, count):
        self.run("sh", "-c", f"echo {count} >/proc/sys/user/max_inotify_{what}")

    def connect(self, address):
        def there():
            fd = os.open(f"/proc/{self.process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                call("setns", fd, CLONE_NEWNET)
            finally:
                os.close(fd)
            return socket.create_connection(address, timeout=DEADLINE)

        return in_thread(there)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Inotify(witness.Case):
    WANTED = {"^router-": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        self.there = UserNamespace()
        self.addCleanup(self.there.close)
        self.names = []

    def start_there(self):
        return self.start(prefix=self.there.prefix, connect=self.there.connect)

    def add(self):
        name = f"router-{len(self.names)}"
        self.there.run("ip", "netns", "add", name)
        self.witness.record_netns(name, self.there.directory)
        self.names.append(name)

    def assert_governs_with_inotify(self, daemon, up):
        self.add()
        daemon.wait_metrics(lambda metrics: metrics.sum("event_source_up", source="inotify") == up, f"inotify is up: {up}")
        self.assertEqual("inotify is down" in daemon.http("GET", "/-/ready")[2].decode(), not up)
        self.assert_governs_all_and_nothing_else(daemon, self.names, directory=self.there.directory)

    def assert_logged(self, daemon, remedy):
        self.assertTrue(any(line.get("source") == "inotify" and remedy in line.get("reason", "") for line in daemon.lines), daemon.log())

    def test_without_any_instance_of_inotify_it_says_so_and_sweeps_and_takes_one_when_there_is(self):
        self.there.limit("instances", 0)
        daemon = self.start_there()
        self.assert_governs_with_inotify(daemon, 0)
        self.assert_logged(daemon, "max_user_instances")
        self.there.limit("instances", 10)
        self.assert_governs_with_inotify(daemon, 1)

    def test_without_any_watch_of_inotify_it_says_so_and_sweeps_and_takes_them_when_there_are(self):
        self.there.limit("watches", 0)
        daemon = self.start_there()
        self.assert_governs_with_inotify(daemon, 0)
        self.assert_logged(daemon, "max_user_watches")
        self.there.limit("watches", 100)
        self.assert_governs_with_inotify(daemon, 1)

    def test_watches_that_are_exhausted_when_the_directory_is_replaced_are_missed_no_longer_than_they_are(self):
        daemon = self.start_there()
        self.assert_governs_with_inotify(daemon, 1)
        self.there.limit("watches", 0)
        self.there.run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        self.names = []
        self.assert_governs_with_inotify(daemon, 0)
        self.there.limit("watches", 100)
        self.assert_governs_with_inotify(daemon, 1)


class OpenFiles(witness.Case):
    WANTED = {"^router-": {KEY: WANT, "net.ipv4.tcp_keepalive_intvl": 55, "net.core.somaxconn": 1000, "net.unix.max_dgram_qlen": 300}}

    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", self.WANTED["^router-"])))
        self.names = [f"router-{number}" for number in range(60)]
        for name in self.names[:30]:
            self.witness.add_netns(name)

    def test_with_64_open_files_many_netns_are_governed_while_others_hold_its_connections(self):
        daemon = self.start(prefix=["prlimit", "--nofile=64"])
        self.assert_governs_all_and_nothing_else(daemon, self.names[:30])
        host, port = daemon.address.rsplit(":", 1)
        idle = [socket.create_connection((host, int(port))) for _ in range(100)]
        try:
            for name in self.names[30:]:
                self.witness.add_netns(name)
            harness.put("router-0", KEY, 5)
            for name in (*self.names[30:], "router-0"):
                self.wait_value(name, KEY, WANT)
        finally:
            for connection in idle:
                connection.close()
        self.assert_governs_all_and_nothing_else(daemon, self.names)
        metrics = daemon.scrape()
        self.assertEqual(sum(metrics["process_max_fds"].values()), 64)
        self.assertLessEqual(sum(metrics["process_open_fds"].values()), 64)
        for name in self.names[1:]:
            harness.delete_netns(name)
        self.assert_governs_all_and_nothing_else(daemon, ["router-0"])
        daemon.wait_metrics(lambda m: m.sum("bound_sysctls") == 4, "the one that is left is held")


if __name__ == "__main__":
    harness.main()
