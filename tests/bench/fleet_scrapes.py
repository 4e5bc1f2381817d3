# SPDX-License-Identifier: Apache-2.0
"""Records two real scrapes of a daemon in each situation of a fleet's nodes; their difference is the activity of a node between scrapes.
Requires harness.isolate()."""

import os
import re
import signal
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import harness  # noqa: E402
from harness import add_netns, delete_netns, inside, put, wait_until, write_here  # noqa: E402
from series_test import expected  # noqa: E402

NODE = "0000deadbeef"  # the part of netns names that differs between nodes, as in names with a UUID
ENFORCED = {"net.ipv4.tcp_keepalive_time": 600, "net.ipv4.tcp_keepalive_intvl": 30, "net.ipv4.tcp_keepalive_probes": 5,
            "net.ipv4.tcp_fin_timeout": 30, "net.ipv4.tcp_syn_retries": 4}
IMPOSSIBLE = {"net.ipv4.ip_default_ttl": 999, "net.ipv4.tcp_sack": 1, "net.ipv4.tcp_timestamps": 1, "net.ipv4.tcp_window_scaling": 1,
              "net.ipv4.tcp_syncookies": 1}
AUDITED = ["net.ipv4.icmp_echo_ignore_all", "net.ipv4.icmp_echo_ignore_broadcasts", "net.ipv4.ip_no_pmtu_disc",
           "net.ipv4.tcp_mtu_probing", "net.ipv4.tcp_ecn"]
SHAPE = [(5, False), (5, False), (5, False)]  # of the configuration: keys of each policy, and whether it has commands
OTHER_SHAPE = [(5, True), (5, False), (5, False)]
KEY = "net.ipv4.tcp_keepalive_time"


@dataclass
class Scrapes:
    """Two scrapes of one situation; `shape` is that of the configuration."""

    first: str
    second: str
    shape: list

    def capped(self):
        """Number of series not determined by policies and keys: drift, and names of programs."""
        metrics = harness.Metrics(harness.parse_metrics(self.second))
        # Two of the writer series always exist.
        return len(metrics.all("sysctl_drift")) + len(metrics.all("drift_writers_total")) - 2

    def check(self):
        """Compares the number of series with docs/metrics.md."""
        found = sum(map(len, harness.parse_metrics(self.second).values()))
        if found != expected(*self.shape) + self.capped():
            raise AssertionError(f"{found} series, and not {expected(*self.shape)} + {self.capped()} as docs/metrics.md says")


class Host:
    """A host with `netns` netns, which runs the daemon in each situation in turn."""

    def __init__(self, directory, netns):
        self.config_file = os.path.join(directory, "nswarden.yaml")
        self.names = [f"qrouter-{number:08x}-4a6e-4c3b-9d21-{NODE}" for number in range(netns)]
        for name in self.names:
            add_netns(name)
        audited = inside(self.names[0], lambda: {key: harness.read_here(key) for key in AUDITED})
        self.right = {key: int(value) for key, value in audited.items()}
        policies = [harness.policy("routers", "^qrouter-", ENFORCED), harness.policy("edge", "^edge-", IMPOSSIBLE),
                    harness.policy("hardening", "^qrouter-", self.right, "audit")]
        self.text = harness.config(*policies)
        self.other = harness.config(policies[0] + "    commands: {startup: ['true']}\n", *policies[1:])

    def scrapes(self):
        """Returns {situation: Scrapes}."""
        found = {}
        for name in ("quiet", "other", "refused", "drift", "storm", "failing", "suspended"):
            self._configure(self.other if name == "other" else self.text)
            daemon = harness.Daemon(f"--config.file={self.config_file}", "--repair.window=5s", log_level="info", interval="100ms")
            try:
                getattr(self, "_" + name)(daemon)
                first = daemon.scrape_text()
                self._live(daemon)
                found[name] = Scrapes(first, daemon.scrape_text(), OTHER_SHAPE if name == "other" else SHAPE)
            finally:
                daemon.kill()
            found[name].check()
        return found

    def _configure(self, text):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    def _live(self, daemon):
        """Activity between scrapes: adds and deletes a netns, makes settings drift, waits for repairs and sweeps."""
        name = f"qrouter-ffffffff-4a6e-4c3b-9d21-{NODE}"
        add_netns(name)
        daemon.wait_metrics(lambda m: m.sum("netns", policy="routers") == len(self.names) + 1, "the netns that came")
        delete_netns(name)
        for name in self.names[-3:]:
            put(name, KEY, 7)
            wait_until(lambda name=name: harness.get(name, KEY) == str(ENFORCED[KEY]), "repaired")
        daemon.wait_metrics(lambda m: m.sum("netns", policy="routers") == len(self.names), "the netns that went")
        daemon.wait_sweeps(2)

    def _set_audited(self, names, keys, change):
        def set_all():
            for key in keys:
                write_here(key, change(self.right[key]))

        for name in names:
            inside(name, set_all)

    def _drifted(self, daemon, count):
        daemon.wait_metrics(lambda m: m.sum("drifted_sysctls") == count, f"{count} drifted settings")

    def _quiet(self, daemon):
        self._drifted(daemon, 0)

    _other = _quiet

    def _refused(self, daemon):
        self._configure(self.text + "nonsense: true\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 0, "a refused configuration")

    def _drift(self, daemon):
        some = self.names[:6]
        self._set_audited(some, AUDITED[:2], lambda value: int(not value))
        self._drifted(daemon, 2 * len(some))

    def _storm(self, daemon):
        self._set_audited(self.names, AUDITED, lambda value: int(not value))
        self._drifted(daemon, len(self.names) * len(AUDITED))

    def _failing(self, daemon):
        self._set_audited(self.names, AUDITED, lambda value: value)
        add_netns("edge-1")
        daemon.wait_metrics(lambda m: m.sum("action_failures_total", policy="edge", reason="einval") > 0, "a write that fails")
        self._drifted(daemon, 1)

    def _suspended(self, daemon):
        delete_netns("edge-1")

        def is_suspended():
            put(self.names[0], KEY, 5)
            return daemon.scrape().sum("suspended_sysctls") == 1

        wait_until(is_suspended, "suspended")
        self._drifted(daemon, 1)


def own_names(text, number):
    """Replaces the netns names of a page by those of node `number`."""
    return re.sub(NODE, f"{number:012x}", text)
