# SPDX-License-Identifier: Apache-2.0
"""Arbitrary interface names (kernel fact 31); removed interfaces leave no state behind."""

import json
import socket
import subprocess

import harness
import interfaces
from harness import add_netns, delete_netns, inside, run_binary, run_inside, wait_until
from interfaces import BOTH, SIOCBRADDBR, SIOCBRDELBR, V4, WANT, add, bridges, delete, put, rename, value

HOSTILE = [b'a"b', b"$(id)", b"*", b"eth0.100", b"[x]", b"a?b", b"-rf", b"back\\slash", b"\xff\xfe", b"\xc3\xa9", b"...",
           b"n" * 15, b"a=b#c", b"allx", b"default.1", b"{a,b}", b"'`\x01;"]


class HostileNames(interfaces.InterfacesCase):
    def test_every_name_is_governed_when_it_was_there_before_and_when_it_comes_and_its_drift_is_repaired(self):
        add("r1", *HOSTILE[::2])
        daemon = self.start_with(BOTH, interval="1h")
        add("r1", *HOSTILE[1::2])
        self.wait_governed("r1", *HOSTILE)
        self.wait_managed(daemon, 2 * (len(HOSTILE) + 1))
        for name in HOSTILE:
            put("r1", name, 1)
        self.wait_governed("r1", *HOSTILE)
        self.assertEqual((value("r1", "all"), value("r1", "default")), ("0", "0"))
        self.assertEqual([line for line in daemon.lines if "not_json" in line], [])

    def test_every_name_is_shown_once_and_forges_nothing(self):
        add("r1", *HOSTILE)
        daemon = self.start_with({V4: WANT}, "mode: audit")
        shown = daemon.wait_metrics(lambda m: len(m.all("sysctl_drift")) == len(HOSTILE) + 1, "all of them drifted")
        keys = shown.labels("sysctl_drift", "sysctl")
        self.assertEqual(len(set(keys)), len(HOSTILE) + 1)
        for expected in ("net.ipv4.conf.eth0/100.rp_filter", 'net.ipv4.conf.a"b.rp_filter', "net.ipv4.conf.$(id).rp_filter",
                         "net.ipv4.conf.*.rp_filter", r"net.ipv4.conf.\xff\xfe.rp_filter", "net.ipv4.conf.[x].rp_filter"):
            self.assertIn(expected, keys)
        checked = run_binary("check", f"--config.file={self.config_file}", "--output=json")
        self.assertEqual(checked.returncode, 1, checked.stderr)
        self.assertEqual(sorted(finding["key"] for finding in json.loads(checked.stdout)["findings"]), keys)
        table = run_binary("check", f"--config.file={self.config_file}").stdout
        self.assertTrue(all(line.isprintable() for line in table.splitlines()), table)
        judged = subprocess.run(["promtool", "check", "metrics"], input=daemon.scrape_text(), capture_output=True,
                                encoding="utf-8", check=False)
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))

    def test_an_interface_that_is_called_star_can_be_meant_alone(self):
        add("r1", "*", "eth0")
        daemon = self.start_with({"net/ipv4/conf/[*]/rp_filter": WANT}, interval="1h")
        self.wait_governed("r1", "*", want={V4: WANT})
        self.wait_managed(daemon, 1)
        self.assertEqual((value("r1", "eth0"), value("r1", "lo")), ("0", "0"))

    def test_selectors_match_bytes_that_are_no_utf8(self):
        add("r1", b"\xff\xfe", "eth0")
        daemon = self.start_with(BOTH, "interfaces: '^..$'", interval="1h")
        self.wait_governed("r1", b"\xff\xfe", "lo")
        self.wait_managed(daemon, 4)
        self.assertEqual(value("r1", "eth0"), "0")


class RemovedInterfaces(interfaces.InterfacesCase):
    def test_dead_interfaces_leave_neither_findings_nor_series(self):
        add("r1", "one", "two")
        daemon = self.start_with({V4: WANT}, "mode: audit", interval="1h")
        shown = lambda m: m.labels("sysctl_drift", "sysctl")
        keys = [f"net.ipv4.conf.{name}.rp_filter" for name in ("lo", "one", "two")]
        daemon.wait_metrics(lambda m: shown(m) == keys, "three drifted")
        delete("r1", "one")
        daemon.wait_metrics(lambda m: shown(m) == [keys[0], keys[2]] and m.sum("managed_sysctls") == 2, "one is gone")
        rename("r1", "two", "three")
        metrics = daemon.wait_metrics(lambda m: shown(m) == [keys[0], "net.ipv4.conf.three.rp_filter"], "it has another name")
        self.assertEqual((metrics.sum("managed_sysctls"), metrics.sum("drifted_sysctls")), (2, 2))
        status = json.loads(daemon.http("GET", "/api/v1/status")[2])
        self.assertEqual(sorted(finding["key"] for finding in status["findings"]), [keys[0], "net.ipv4.conf.three.rp_filter"])
        self.assertNotIn("conf.one", daemon.scrape_text())

    def test_a_netns_that_is_deleted_while_its_interfaces_come_and_go_dies(self):
        add_netns("peers")
        daemon = self.start_with(BOTH)
        for round_number in range(5):
            name = f"r-dying-{round_number}"
            add_netns(name)
            run_inside("peers", "ip", "link", "add", f"p{round_number}", "type", "veth", "peer", "name", "v0", "netns", name)
            self.wait_governed(name, "v0")
            for _ in range(10):
                inside(name, lambda: (bridges(SIOCBRADDBR, "brief"), bridges(SIOCBRDELBR, "brief")))
            inside(name, lambda: bridges(SIOCBRADDBR, *(f"left{number}" for number in range(10))))
            delete_netns(name)

        def interfaces():
            return set(inside("peers", lambda: [name for _, name in socket.if_nameindex()]))

        # The other end of each pair is in a live netns and is removed only with its peer.
        wait_until(lambda: interfaces() == {"lo"}, lambda: f"no peers: {interfaces()}")
        self.wait_managed(daemon, 2)

    def test_no_file_of_an_interface_that_went_is_held(self):
        daemon = self.start_with(BOTH)
        self.wait_managed(daemon, 2)
        before = sum(daemon.scrape()["process_open_fds"].values())
        for _ in range(3):
            add("r1", *(f"br{number}" for number in range(10)))
            self.wait_managed(daemon, 22)
            delete("r1", *(f"br{number}" for number in range(10)))
            self.wait_managed(daemon, 2)
        daemon.wait_metrics(lambda m: sum(m["process_open_fds"].values()) <= before + 2, f"{before} open files as before")


if __name__ == "__main__":
    harness.main()
