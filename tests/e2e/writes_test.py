# SPDX-License-Identifier: Apache-2.0
"""Writes of other processes are detected immediately, repaired, attributed, and not fought endlessly. Where events alone
must do it, the sweep interval is an hour."""

import json
import os
import subprocess
import sys
import time

import harness
from harness import add_netns, config, get, inside, key_path, policy, put, run_inside, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
SLOW = "net.ipv4.ip_forward"  # waits for RTNL (kernel fact 23)
WANT = 1234
SILENCE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.setgid(65534); os.setuid(65534)
os.chdir("/proc/sys/net/ipv4")
assert libc.unshare(0x10000000 | 0x40000000) == 0, ctypes.get_errno()  # CLONE_NEWUSER, CLONE_NEWNET
open("tcp_keepalive_time").read()
"""


class Writes(harness.Case):
    def start_with(self, *arguments, sysctls=None, netns="^router-", interval="1h", **options):
        self.configure(config(policy("routers", netns, sysctls or {KEY: WANT, OTHER: 75})))
        return self.start(*arguments, interval=interval, **options)

    def child(self, code, *arguments, netns=None):
        """A Python program in a netns, with a descriptive process name."""
        prefix = ["ip", "netns", "exec", netns] if netns else []
        process = subprocess.Popen([*prefix, sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def repaired(self, daemon, count, source="event"):
        return daemon.wait_metrics(lambda m: m.sum("drift_detected_total", source=source) == count
                                   and m.sum("drifted_sysctls") == 0, f"{count} drifts found by {source} and repaired")

    def test_a_write_is_repaired_at_once_and_its_writer_named(self):
        add_netns("router-1")
        daemon = self.start_with()
        put("router-1", KEY, 5)
        self.wait_value("router-1", KEY, WANT)
        metrics = self.repaired(daemon, 1)
        self.assertEqual(metrics.all("time_to_compliance_seconds_count", trigger="drift").popitem()[1], 1)
        self.assertEqual(metrics.sum("event_source_up", source="sysctl"), 1)
        with open("/proc/self/comm", encoding="utf-8") as file:
            comm = file.read().strip()
        self.assertEqual(metrics.sum("drift_writers_total", comm=comm), 1)
        line = daemon.wait_log(lambda l: l["msg"] == "sysctl repaired" and l.get("source") == "event", "the repair in the log")
        self.assertEqual((line["writer"], line["writer_pid"], line["writer_uid"]), (comm, str(os.getpid()), "0"))
        self.assertEqual(line["writer_exe"], os.readlink("/proc/self/exe"))

        def repairs():
            events = json.loads(daemon.http("GET", "/api/v1/events")[2])["events"]
            return [event for event in events if event["event"] == "repair" and event.get("source") == "event"]

        wait_until(repairs, "the repair among the events")
        self.assertEqual([event["writer"]["pid"] for event in repairs()], [os.getpid()])

    def test_our_own_writes_are_no_events_and_one_event_has_all_settings_read(self):
        add_netns("router-1")
        daemon = self.start_with()
        unseen = self.own_procfs()
        for round_ in range(1, 4):
            inside("router-1", lambda: harness.write_at(unseen, OTHER, 5))
            put("router-1", KEY, WANT)  # compliant, but noticed
            self.wait_value("router-1", OTHER, 75)
            self.repaired(daemon, round_)
        metrics = daemon.wait_metrics(lambda m: m.sum("events_total", source="sysctl") == 3, "three events")
        self.assertEqual(metrics.sum("drift_writers_total", comm="python3"), 0, "a side effect, or worse: nobody knows")

    def test_what_cannot_be_seen_is_found_by_the_sweep_and_nobody_is_blamed(self):
        add_netns("router-1")
        daemon = self.start_with(interval="200ms")
        unseen = self.own_procfs()
        inside("router-1", lambda: harness.write_at(unseen, KEY, 5))
        self.wait_value("router-1", KEY, WANT)
        self.repaired(daemon, 1, "reconcile")
        line = daemon.wait_log(lambda l: l["msg"] == "sysctl repaired" and l["source"] == "reconcile", "the repair in the log")
        self.assertNotIn("writer", line)

    def test_a_change_by_netlink_is_found_by_the_sweep(self):
        add_netns("router-1")
        run_inside("router-1", "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
        key = "net.ipv6.conf.veth0.addr_gen_mode"
        daemon = self.start_with(interval="200ms", sysctls={key: 1})
        self.wait_value("router-1", key, 1)
        run_inside("router-1", "ip", "link", "set", "veth0", "addrgenmode", "eui64")
        self.wait_value("router-1", key, 1)
        self.repaired(daemon, 1, "reconcile")

    def test_an_unprivileged_process_cannot_silence_a_key(self):
        # Kernel fact 16: it makes a second inode of the file, which later writers use.
        add_netns("router-1")
        add_netns("router-2")
        daemon = self.start_with()
        self.assertEqual(self.child(SILENCE, netns="router-1").wait(), 0)
        for count in (1, 2, 3):
            put("router-1", KEY, 5)
            self.wait_value("router-1", KEY, WANT)
            metrics = self.repaired(daemon, count)
        self.assertEqual(metrics.sum("drift_detected_total", source="reconcile"), 0)

    def test_an_unprivileged_process_cannot_silence_a_key_that_a_glob_stands_for(self):
        # Kernel fact 16: the daemon searches for an unknown inode by the glob in the last component, too.
        add_netns("router-1")
        daemon = self.start_with(sysctls={"net.ipv4.tcp_keepalive_tim*": WANT})
        self.assertEqual(self.child(SILENCE, netns="router-1").wait(), 0)
        put("router-1", KEY, 5)
        self.wait_value("router-1", KEY, WANT)
        self.repaired(daemon, 1)

    def test_a_write_that_waits_for_a_lock_of_the_kernel_is_made_all_the_same(self):
        add_netns("router-1")
        daemon = self.start_with(sysctls={SLOW: 1, KEY: WANT})
        self.wait_value("router-1", SLOW, 1)
        daemon.wait_metrics(lambda m: m.sum("actions_total", result="success") == 2, "both written")
        put("router-1", SLOW, 0)
        self.wait_value("router-1", SLOW, 1)
        metrics = daemon.wait_metrics(lambda m: m.sum("actions_total", result="success") == 3, "the repair counted")
        self.repaired(daemon, 1)
        self.assertEqual(metrics.all("time_to_compliance_seconds_count", trigger="drift").popitem()[1], 1)

    def test_an_opponent_is_answered_now_and_then_and_named_once_while_others_are_served_at_once(self):
        for name in ("router-1", "router-2"):
            add_netns(name)
        daemon = self.start_with("--repair.window=5s")
        opponent = self.child(f"""
import os
open("/proc/self/comm", "w").write("opponent")
fd = os.open({key_path(KEY)!r}, os.O_RDWR)
while True:
    os.pwrite(fd, b"5", 0)
""", netns="router-1")
        # A snapshot may be of the moment after a repair, in which there is no drift.
        metrics = daemon.wait_metrics(lambda m: m.sum("suspended_sysctls") == 1 and m.labels("sysctl_drift", "reason") == ["suspended"],
                                      "suspended")
        began, before = time.monotonic(), metrics
        for value in (7, 8, 9):
            put("router-2", KEY, value)
            self.wait_value("router-2", KEY, WANT)
        time.sleep(2)  # two pauses of the suspended one: this time must pass
        metrics = daemon.scrape()
        writes = metrics.sum("actions_total", action="write") - before.sum("actions_total", action="write")
        self.assertLessEqual(writes, 3 + 2 * (time.monotonic() - began))  # those of router-2; a retry tries twice
        lines = [line for line in daemon.lines if line["msg"].startswith("sysctl suspended")]
        self.assertEqual([line.get("writer") for line in lines], ["opponent"])


        def findings():
            return [(finding["reason"], finding["writer"]["comm"])
                    for finding in json.loads(daemon.http("GET", "/api/v1/status")[2])["findings"]]

        wait_until(lambda: findings() == [("suspended", "opponent")], "the opponent in the status")
        self.assertEqual(metrics.sum("drift_writers_total", comm="opponent") > 0, True)
        opponent.kill()
        opponent.wait()
        self.wait_value("router-1", KEY, WANT)
        daemon.wait_metrics(lambda m: m.sum("suspended_sysctls") == 0, "calm")
        self.assertEqual(metrics.sum("event_overflows_total", source="sysctl"), 0)

    def test_a_flood_of_other_writes_to_procfs_keeps_no_drift_from_being_repaired(self):
        add_netns("router-1")
        daemon = self.start_with()
        for file in ("comm", "oom_score_adj"):
            self.child(f"""
import os
fd = os.open("/proc/self/{file}", os.O_RDWR)
while True:
    os.write(fd, b"7")
""")
        # Compliant values, and more files than one batch of events has.
        many = self.child("""
import ctypes, os
assert ctypes.CDLL(None).unshare(0x40000000) == 0
paths = [os.path.join(top, file) for top, _, files in os.walk("/proc/sys/net/ipv4/conf") for file in files]
fds = []
for path in paths:
    try:
        fds.append((os.open(path, os.O_RDWR), open(path, "rb").read()))
    except OSError:
        pass
fds = [(fd, value) for fd, value in fds if os.path.basename(os.readlink(f"/proc/self/fd/{fd}")) != "forwarding"]
assert len(fds) > 64
print("ready", flush=True)
while True:
    for fd, value in fds:
        os.pwrite(fd, value, 0)
""")
        many.stdout.readline()
        foreign = self.child("""
import os, ctypes
assert ctypes.CDLL(None).unshare(0x40000000) == 0  # a netns that nobody governs
fd = os.open("/proc/sys/net/ipv4/tcp_keepalive_time", os.O_RDWR)
print("ready", flush=True)
while True:
    os.pwrite(fd, b"7", 0)
""")
        foreign.stdout.readline()
        for value in range(1, 5):
            put("router-1", KEY, value)
            self.wait_value("router-1", KEY, WANT)
            metrics = self.repaired(daemon, value)
        self.assertEqual(metrics.sum("event_overflows_total", source="sysctl"), 0)
        time.sleep(1)  # the budget is used up
        before, began = daemon.cpu_seconds(), time.monotonic()
        time.sleep(2)
        self.assertLess((daemon.cpu_seconds() - before) / (time.monotonic() - began), min(0.3 * harness.TIME_FACTOR, 0.8), "of a core")

    def test_a_daemon_with_a_procfs_of_its_own_says_that_it_is_deaf_and_lives_by_the_sweep(self):
        # Kernel fact 18: as with systemd's ProtectKernelTunables.
        add_netns("router-1")
        own = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh"]
        daemon = self.start_with(interval="200ms", prefix=own)
        self.assertEqual(daemon.scrape().sum("event_source_up", source="sysctl"), 0)
        self.assertIn("sysctl is down: ", daemon.http("GET", "/-/ready")[2].decode())
        self.assertTrue(any(line.get("source") == "sysctl" and "procfs" in line.get("reason", "") for line in daemon.lines))
        put("router-1", KEY, 5)
        self.wait_value("router-1", KEY, WANT)
        self.repaired(daemon, 1, "reconcile")
        told = harness.run_binary("check", f"--config.file={self.config_file}", prefix=own)
        self.assertEqual(told.returncode, 0, told)
        self.assertIn("procfs", told.stderr)


if __name__ == "__main__":
    harness.main()
