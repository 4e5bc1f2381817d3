# SPDX-License-Identifier: Apache-2.0
"""The shipped rules, in a real Prometheus that scrapes a real daemon, tell a real Alertmanager of what really happens. Only `for:` is
shortened."""

import re
import sys

import harness
from harness import add_netns, config, policy, put
from alertmanager import Alertmanager, Webhook
from monitoring import FOR, RULE_FILES, Prometheus, impatient, lacks, shipped

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
ENFORCED = policy("routers", "^router-", {OTHER: 33})
GOOD = config(ENFORCED)
RAW = re.compile(r"(?<![:a-z_])nswarden_[a-z_]+(?![:a-z_])")


class Alerting(harness.Case):
    def monitor(self, text):
        """A daemon with that configuration, and all that watches it."""
        self.configure(text)
        self.daemon = self.start()
        self.webhook = Webhook()
        self.addCleanup(self.webhook.stop)
        alertmanager = Alertmanager(self.directory, self.webhook)
        self.addCleanup(alertmanager.stop)
        self.prometheus = Prometheus(self.directory, [self.daemon.address], [impatient(shipped(name)) for name in RULE_FILES],
                                     alertmanager.address)
        self.addCleanup(self.prometheus.stop)
        self.prometheus.wait_query("instance:nswarden_drifted_sysctls:sum", bool, "what the first recording rule gives")

    def check_rules_work(self):
        """And all metrics that they look at are there."""
        exported = self.daemon.scrape()
        for rule in self.prometheus.rules():
            with self.subTest(rule["name"]):
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))
                self.assertEqual([metric for metric in RAW.findall(rule["query"]) if metric not in exported], [])

    def test_only_the_time_that_an_alert_waits_is_not_as_shipped(self):
        for name in RULE_FILES:
            before, after = shipped(name).split("\n"), impatient(shipped(name)).split("\n")
            self.assertEqual(len(before), len(after))
            changed = [(old, new) for old, new in zip(before, after) if old != new]
            self.assertEqual(len(changed), shipped(name).count(" for: "))
            for old, new in changed:
                self.assertTrue(FOR.fullmatch(old))
                self.assertEqual(new.strip(), "for: 1s")

    def test_a_drift_in_a_policy_that_audits_is_told_and_taken_back_when_it_is_put_right(self):
        for name in ("router-1", "router-2"):
            add_netns(name)
            put(name, KEY, 1111)
        self.monitor(config(ENFORCED, policy("keepalive", "^router-", {KEY: 1111}, mode="audit", commands={"startup": ["true"]})))
        # Who audits is told so, which also shows that all alerts have had their time.
        self.webhook.wait("firing", alertname="NswardenNotEnforcing", policy="keepalive", severity="info")
        self.assertEqual(self.webhook.names("firing"), ["NswardenNotEnforcing"])

        put("router-2", KEY, 5)
        alert = self.webhook.wait("firing", alertname="NswardenSysctlDrift")
        self.assertEqual(alert["labels"], {"alertname": "NswardenSysctlDrift", "severity": "warning", "mode": "audit", "policy": "keepalive",
                                           "job": "nswarden", "instance": self.daemon.address})
        self.assertIn(f"Policy keepalive on {self.daemon.address} only audits", alert["annotations"]["description"])
        self.assertIn("now at least 1.", alert["annotations"]["description"])
        self.assertEqual(alert["annotations"]["runbook_url"], "docs/runbooks/NswardenSysctlDrift.md")
        self.check_rules_work()
        worst = self.prometheus.wait_query("job_instance:nswarden_drifted_sysctls:topk20", bool, "the worst node")
        self.assertEqual(list(worst.values()), [1])

        put("router-2", KEY, 1111)
        resolved = self.webhook.wait("resolved", alertname="NswardenSysctlDrift")
        self.assertEqual(resolved["labels"], alert["labels"])
        self.assertEqual(self.prometheus.alerts(), ["NswardenNotEnforcing"])

    def test_a_refused_configuration_and_a_daemon_that_ends_are_told(self):
        add_netns("router-1")
        self.monitor(GOOD)
        self.configure(GOOD.replace("sysctls", "sysctl"))
        alert = self.webhook.wait("firing", alertname="NswardenConfigReloadFailed")
        self.assertEqual((alert["labels"]["instance"], alert["labels"]["severity"]), (self.daemon.address, "warning"))
        self.configure(GOOD)
        self.webhook.wait("resolved", alertname="NswardenConfigReloadFailed")

        self.assertEqual(self.daemon.stop(), 0)
        alert = self.webhook.wait("firing", alertname="NswardenDown")
        self.assertEqual((alert["labels"]["instance"], alert["labels"]["severity"]), (self.daemon.address, "critical"))
        self.assertEqual(self.webhook.names("firing"), ["NswardenConfigReloadFailed", "NswardenDown"])


if __name__ == "__main__":
    lacking = lacks("prometheus", "prometheus-alertmanager")
    if lacking:
        print(f"SKIP: needs {lacking}")
        sys.exit(77)
    harness.main()
