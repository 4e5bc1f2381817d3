# SPDX-License-Identifier: Apache-2.0
"""Per-interface settings: interfaces are added, removed, added again, renamed or moved."""

import fcntl
import os
import socket
import statistics
import time

import harness
import interfaces
from harness import add_netns, config, delete_netns, inside, run_inside, wait_until
from interfaces import (BOTH, SIOCBRADDBR, SIOCBRDELBR, V4, V6, WANT, add, bridges, delete, path_of_key, policy, put, rename,
                        value)


class Interfaces(interfaces.InterfacesCase):
    """The sweep interval is an hour: only events can cause reactions in time."""

    def start_with(self, sysctls, *extra, **options):
        daemon = super().start_with(sysctls, *extra, **{"interval": "1h", **options})
        self.assertEqual(daemon.scrape().sum("event_source_up", source="netlink"), 1, daemon.log())
        return daemon

    def test_those_that_were_there_and_those_that_come_are_governed_and_all_and_default_are_not(self):
        add("r1", "old")
        before = {(name, key): value("r1", name, key) for name in ("all", "default") for key in BOTH}
        self.assertTrue(all(found != BOTH[key] for (_, key), found in before.items()), before)
        daemon = self.start_with(BOTH)
        self.wait_governed("r1", "lo", "old")
        add("r1", "new")
        self.wait_governed("r1", "lo", "old", "new")
        self.wait_managed(daemon, 6)
        self.assertEqual({(name, key): value("r1", name, key) for name, key in before}, before)

    def test_all_and_default_are_governed_when_they_are_named_and_globs_stay_out_of_them(self):
        daemon = self.start_with({V4: 2, "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 1})
        add("r1", "new")
        self.wait_governed("r1", "lo", "new", want={V4: 2})
        self.wait_governed("r1", "default", want={V4: 1})
        self.wait_managed(daemon, 4)
        for name, wanted in (("all", "0"), ("default", "1")):
            put("r1", name, 2)
            wait_until(lambda name=name, wanted=wanted: value("r1", name) == wanted, f"{name} as it is named")
        self.assertEqual(value("r1", "new"), "2")

    def test_an_exact_key_beats_a_glob_and_is_missing_until_its_interface_comes(self):
        daemon = self.start_with({V4: 2, "net.ipv4.conf.eth0/100.rp_filter": 1, "net/ipv4/conf/eth0.200/rp_filter": 0})
        missing = daemon.wait_metrics(lambda m: m.sum("drifted_sysctls") == 2, "both are missing")
        self.assertEqual(missing.labels("sysctl_drift", "sysctl", reason="missing"),
                         ["net.ipv4.conf.eth0/100.rp_filter", "net.ipv4.conf.eth0/200.rp_filter"])
        add("r1", "eth0.100", "eth0.200", "eth0")
        self.wait_governed("r1", "eth0.100", want={V4: 1})
        self.wait_governed("r1", "eth0.200", want={V4: 0})
        self.wait_governed("r1", "eth0", "lo", want={V4: 2})
        self.wait_managed(daemon, 4)

    def test_selectors_take_the_interfaces_whose_names_begin_so_and_no_others(self):
        daemon = self.start_with(BOTH, "interfaces: [qr-, ^qg-]")
        add("r1", "qr-1", "qg-1", "xqr-1", "eth0")
        self.wait_governed("r1", "qr-1", "qg-1")
        self.wait_managed(daemon, 4)
        for name in ("lo", "eth0", "xqr-1", "all", "default"):
            self.assertEqual((value("r1", name), value("r1", name, V6)), ("0", "1"), name)

    def test_the_later_policy_owns_the_interfaces_that_both_select(self):
        self.configure(config(policy("each", "^r", {V4: 2}), policy("outer", "^r", {V4: 1}, "interfaces: qg-")))
        daemon = self.start(interval="1h")
        add("r1", "qg-1", "qr-1")
        self.wait_governed("r1", "qg-1", want={V4: 1})
        self.wait_governed("r1", "qr-1", "lo", want={V4: 2})
        metrics = self.wait_managed(daemon, 3)
        self.assertEqual(metrics.sum("managed_sysctls", policy="outer"), 1)
        self.assertEqual(metrics.sum("policy_conflicts", policy="each"), 1)

    def test_drift_of_an_interface_is_repaired_at_once_by_the_event_of_the_write(self):
        daemon = self.start_with(BOTH)
        add("r1", "new")
        self.wait_governed("r1", "new")
        self.wait_managed(daemon, 4)
        for key, bad in ((V4, 1), (V6, 2)):
            put("r1", "new", bad, key)
            self.wait_governed("r1", "new")
        daemon.wait_metrics(lambda m: m.sum("drift_detected_total", source="event") >= 2, "events told of both")

    def test_one_that_is_deleted_and_made_again_at_once_under_its_name_is_governed_each_time(self):
        daemon = self.start_with(BOTH)
        add("r1", "again")
        self.wait_governed("r1", "again")
        for _ in range(10):
            inside("r1", lambda: (bridges(SIOCBRDELBR, "again"), bridges(SIOCBRADDBR, "again")))
            self.wait_governed("r1", "again")
        for _ in range(10):
            inside("r1", lambda: (bridges(SIOCBRDELBR, "again"), bridges(SIOCBRADDBR, "again")))
        self.wait_governed("r1", "again")
        self.wait_managed(daemon, 4)

    def test_one_that_gets_another_name_is_governed_by_what_its_name_says(self):
        daemon = self.start_with(BOTH, "interfaces: qr-")
        add("r1", "eth1")
        rename("r1", "eth1", "qr-1")
        self.wait_governed("r1", "qr-1")
        self.wait_managed(daemon, 2)
        put("r1", "qr-1", 1)
        self.wait_governed("r1", "qr-1")
        rename("r1", "qr-1", "eth1")
        self.wait_managed(daemon, 0)
        put("r1", "eth1", 1)
        rename("r1", "eth1", "qr-2")
        self.wait_governed("r1", "qr-2")
        self.wait_managed(daemon, 2)

    def test_two_that_swap_their_names_are_governed_by_what_they_are_called_then(self):
        self.configure(config(policy("routers", "^r", {"net.ipv4.conf.a.rp_filter": 1, "net.ipv4.conf.b.rp_filter": 2})))
        daemon = self.start(interval="1h")
        add("r1", "a", "b")
        for _ in range(5):
            self.wait_governed("r1", "a", want={V4: 1})
            self.wait_governed("r1", "b", want={V4: 2})
            for name, to_name in (("a", "c"), ("b", "a"), ("c", "b")):
                rename("r1", name, to_name)
        self.wait_governed("r1", "a", want={V4: 1})
        self.wait_governed("r1", "b", want={V4: 2})
        self.wait_managed(daemon, 2)

    def test_one_that_moves_in_is_governed_and_one_that_moves_out_is_left_alone(self):
        add_netns("other")
        daemon = self.start_with(BOTH)
        run_inside("other", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        self.wait_managed(daemon, 2)
        for _ in range(3):
            run_inside("other", "ip", "link", "set", "v0", "netns", "r1")
            self.wait_governed("r1", "v0")
            self.wait_managed(daemon, 4)
            run_inside("r1", "ip", "link", "set", "v0", "netns", "other")
            self.wait_managed(daemon, 2)
            put("other", "v0", 1)
            self.assertEqual((value("other", "v1"), value("other", "v0", V6)), ("0", "1"))
        self.assertEqual(value("other", "v0"), "1")

    def test_200_at_once_are_governed(self):
        daemon = self.start_with(BOTH)
        names = [f"br{number}" for number in range(200)]
        add("r1", *names)
        self.wait_managed(daemon, 402)
        self.wait_governed("r1", *names)
        delete_netns("r1")
        self.wait_managed(daemon, 0)

    def test_those_of_a_netns_that_comes_with_them_are_governed(self):
        self.start_with(BOTH)
        for number in range(5):
            harness.place_file(f"r-late-{number}")

            def make(number=number):
                harness.call("unshare", harness.CLONE_NEWNET)
                bridges(SIOCBRADDBR, "before")
                harness.mount("/proc/thread-self/ns/net", harness.path_of(f"r-late-{number}"), b"none", harness.MS_BIND)
                bridges(SIOCBRADDBR, "after")

            harness.in_thread(make)
        for number in range(5):
            self.wait_governed(f"r-late-{number}", "lo", "before", "after")

    def test_a_new_one_is_governed_within_milliseconds(self):
        self.start_with({V4: WANT}, log_level="info")
        times = []

        def measure():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for number in range(100):
                    name = f"new{number}".encode()
                    fcntl.ioctl(control, SIOCBRADDBR, name.ljust(16, b"\0"))
                    begun = time.monotonic()
                    fd = os.open(path_of_key(V4, name), os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        while os.pread(fd, 8, 0) != b"2\n" and time.monotonic() - begun < harness.DEADLINE:
                            time.sleep(0.0001)
                    finally:
                        os.close(fd)
                    times.append(time.monotonic() - begun)

        inside("r1", measure)
        median, worst = statistics.median(times), sorted(times)[98]
        print(f"a new interface is governed after p50 {median * 1e3:.2f} ms, p99 {worst * 1e3:.2f} ms", flush=True)
        self.assertLess(median, 0.1)


class WithoutNetlink(interfaces.InterfacesCase):
    def test_without_the_capability_it_says_so_and_the_sweep_governs_all_the_same(self):
        daemon = self.start_with(BOTH, prefix=["setpriv", "--bounding-set=-net_broadcast", "--inh-caps=-net_broadcast"])
        self.assertEqual(daemon.scrape().sum("event_source_up", source="netlink"), 0)
        told = [line for line in daemon.lines if line.get("source") == "netlink"]
        self.assertEqual(len(told), 1, told)
        self.assertIn("CAP_NET_BROADCAST", told[0]["reason"])
        self.assertEqual(told[0]["level"], "warn")
        self.assertIn("netlink", daemon.http("GET", "/-/ready")[2].decode())
        add("r1", "new", "eth0.100")
        self.wait_governed("r1", "new", "eth0.100")
        rename("r1", "new", "other")
        inside("r1", lambda: (bridges(SIOCBRDELBR, "eth0.100"), bridges(SIOCBRADDBR, "eth0.100")))
        self.wait_governed("r1", "other", "eth0.100")
        delete("r1", "other")
        metrics = self.wait_managed(daemon, 4)
        self.assertEqual(metrics.sum("events_total", source="netlink"), 0)
        self.assertEqual((value("r1", "all"), value("r1", "default")), ("0", "0"))


if __name__ == "__main__":
    harness.main()
