# SPDX-License-Identifier: Apache-2.0
"""The witness itself: tests that rely on it are only as good as its observations."""

import os
import subprocess

import harness
import witness
from harness import add_netns, config, delete_netns, inside, key_path, path_of, policy

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"


def write_elsewhere(name, path, text):
    """Another process writes, from within a netns. Returns its pid."""
    process = inside(name, lambda: subprocess.Popen(["sh", "-c", f'printf %s "{text}" >"{path}"']))
    if process.wait() != 0:
        raise AssertionError(path)
    return process.pid


class SeeingWrites(witness.Case):
    WANTED = {"^router-": {KEY: 1234}}

    def test_a_write_is_seen_with_its_process_its_key_and_the_netns_that_it_hit(self):
        for name in ("router-1", "router-2"):
            self.witness.add_netns(name)
        pid = write_elsewhere("router-2", key_path(KEY), "77")
        hit = self.witness.hits(pid)[-1]
        self.assertEqual((hit.what, hit.netns, hit.key), ("write", "router-2", KEY))
        self.assertEqual(hit.path, key_path(KEY))
        self.assertEqual(self.witness.foreign(pid, lambda netns, key: netns == "router-2"), [])
        self.assertEqual([hit.netns for hit in self.witness.foreign(pid, lambda netns, key: netns == "router-1")], ["router-2"])

    def test_a_write_by_an_fd_that_was_opened_long_ago_is_told_from_the_one_beside_it(self):
        fds = []
        for name in ("router-1", "router-2"):
            self.witness.add_netns(name)
            fds.append(inside(name, lambda: os.open(key_path(KEY), os.O_RDWR)))
        try:
            for fd in fds:
                os.pwrite(fd, b"99", 0)
            self.assertEqual([hit.netns for hit in self.witness.hits(os.getpid()) if hit.what == "write"], ["router-1", "router-2"])
        finally:
            for fd in fds:
                os.close(fd)

    def test_a_write_to_our_own_netns_is_told(self):
        harness.write_here(KEY, harness.read_here(KEY))
        self.assertEqual([hit.netns for hit in self.witness.hits(os.getpid())], [witness.HOME])

    def test_a_netns_that_was_not_taken_down_is_unknown_until_it_is_learnt(self):
        add_netns("router-1")
        pid = write_elsewhere("router-1", key_path(KEY), "77")
        self.assertEqual([hit.netns for hit in self.witness.foreign(pid, lambda netns, key: True)], [witness.UNKNOWN])
        self.witness.record_netns("router-1")
        self.assertEqual(self.witness.foreign(pid, lambda netns, key: True), [])

    def test_a_key_that_no_policy_names_and_a_file_that_is_no_sysctl_are_foreign(self):
        self.witness.add_netns("router-1")
        everything = lambda netns, key: True
        pid = write_elsewhere("router-1", key_path(OTHER), "77")
        self.assertEqual([hit.netns for hit in self.witness.foreign(pid, everything)], [witness.UNKNOWN])
        pid = write_elsewhere("router-1", "/proc/self/comm", "x")
        self.assertEqual(len(self.witness.foreign(pid, everything)), 1)
        pid = write_elsewhere("router-1", path_of("a-file").decode(), "x")
        self.assertEqual({(hit.what, hit.path) for hit in self.witness.foreign(pid, everything)},
                         {("open", "/run/netns/a-file"), ("write", "/run/netns/a-file")})

    def test_a_write_to_a_netns_that_died_since_keeps_its_name(self):
        self.witness.add_netns("router-1")
        pid = write_elsewhere("router-1", key_path(KEY), "77")
        self.witness.read()
        delete_netns("router-1")
        self.assertEqual([hit.netns for hit in self.witness.hits(pid)], ["router-1"])

    def test_a_daemon_whose_policy_reaches_too_far_is_caught(self):
        self.configure(config(policy("everything", ".*", {KEY: 1234})))
        for name in ("router-1", "other-1"):
            self.witness.add_netns(name)
        daemon = self.start()
        with self.assertRaisesRegex(AssertionError, "other-1"):
            self.assert_wrote_nothing_else(daemon)

    def test_a_daemon_that_does_as_it_should_is_not_suspected(self):
        self.configure(config(policy("routers", "^router-", {KEY: 1234})))
        for name in ("router-1", "router-2", "other-1"):
            self.witness.add_netns(name)
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, ["router-1", "router-2"], unmatched=1)
        self.assertGreaterEqual({hit.netns for hit in self.witness.hits(daemon.process.pid)}, {"router-1", "router-2"})


if __name__ == "__main__":
    harness.main()
