# SPDX-License-Identifier: Apache-2.0
"""The shipped rules in a real Prometheus, which scrapes a real daemon and notifies a real Alertmanager. Only `for:` is
shortened."""

import re
import sys

import harness
from harness import add_netns, config, policy, put
from alertmanager import Alertmanager, Webhook
from monitoring import FOR, RULE_FILES, Prometheus, with_short_for, missing_program, runbooks, shipped

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
GOOD = config(policy("routers", "^router-", {OTHER: 33}),
              policy("keepalive", "^router-", {KEY: 1111}, mode="audit", commands={"startup": ["true"]}))
RAW = re.compile(r"(?<![:a-z_])nswarden_[a-z_]+(?![:a-z_])")


class Alerting(harness.Case):
    def monitor(self, text):
        """A daemon with that configuration, monitored by Prometheus and Alertmanager."""
        self.configure(text)
        self.daemon = self.start()
        self.target = {"job": "nswarden", "instance": self.daemon.address}
        self.webhook = Webhook()
        self.addCleanup(self.webhook.stop)
        alertmanager = Alertmanager(self.directory, self.webhook)
        self.addCleanup(alertmanager.stop)
        self.prometheus = Prometheus(self.directory, [self.daemon.address], [with_short_for(shipped(name)) for name in RULE_FILES],
                                     alertmanager.address)
        self.addCleanup(self.prometheus.stop)
        self.prometheus.wait_query("instance:nswarden_drifted_sysctls:sum", bool, "what the first recording rule gives")

    def check_rules_work(self):
        """Each rule is evaluated without an error, and all metrics that it queries exist."""
        exported = self.daemon.scrape()
        for rule in self.prometheus.rules():
            with self.subTest(rule["name"]):
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))
                self.assertEqual([metric for metric in RAW.findall(rule["query"]) if metric not in exported], [])

    def check_queries_of_runbooks_work(self):
        exported = self.daemon.scrape()
        queries = [(name, query) for name, text in runbooks().items() for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
                   for query in block.splitlines()]
        self.assertGreater(len(queries), 10)
        for name, query in queries:
            with self.subTest(name, query=query):
                self.prometheus.query(query.replace("INSTANCE", self.daemon.address).replace("POLICY", "keepalive"))
                self.assertEqual([metric for metric in RAW.findall(query) if metric not in exported], [])

    def test_only_the_time_that_an_alert_waits_is_not_as_shipped(self):
        for name in RULE_FILES:
            before, after = shipped(name).split("\n"), with_short_for(shipped(name)).split("\n")
            self.assertEqual(len(before), len(after))
            changed = [(old, new) for old, new in zip(before, after) if old != new]
            self.assertEqual(len(changed), shipped(name).count(" for: "))
            for old, new in changed:
                self.assertTrue(FOR.fullmatch(old))
                self.assertEqual(new.strip(), "for: 2s")

    # One test, because Prometheus takes 5 s to begin scraping.
    def test_a_drift_a_refused_configuration_and_a_daemon_that_ends_are_told(self):
        for name in ("router-1", "router-2"):
            add_netns(name)
            put(name, KEY, 1111)
        self.monitor(GOOD)
        # The audit policy raises this alert, which also shows that all alerts have had time to fire.
        self.webhook.wait("firing", alertname="NswardenNotEnforcing", policy="keepalive", severity="info", **self.target)
        self.assertEqual(self.webhook.names("firing"), ["NswardenNotEnforcing"])
        self.check_drift_alert()
        self.check_reload_alert()
        self.assertEqual(self.daemon.stop(), 0)
        self.webhook.wait("firing", alertname="NswardenDown", severity="critical", **self.target)
        self.assertEqual(self.webhook.names("firing"),
                         ["NswardenConfigReloadFailed", "NswardenDown", "NswardenNotEnforcing", "NswardenSysctlDrift"])

    def check_drift_alert(self):
        put("router-2", KEY, 5)
        alert = self.webhook.wait("firing", alertname="NswardenSysctlDrift")
        self.assertEqual(alert["labels"], {"alertname": "NswardenSysctlDrift", "severity": "warning", "mode": "audit", "policy": "keepalive",
                                           **self.target})
        self.assertIn(f"audit-only policy keepalive on {self.daemon.address} ", alert["annotations"]["description"])
        self.assertIn("now at least 1.", alert["annotations"]["description"])
        self.assertEqual(alert["annotations"]["runbook_url"], "docs/runbooks/NswardenSysctlDrift.md")
        worst = self.prometheus.wait_query("job_instance:nswarden_drifted_sysctls:topk20", bool, "the worst node")
        self.assertEqual(list(worst.values()), [1])
        self.check_rules_work()
        self.check_queries_of_runbooks_work()

        put("router-2", KEY, 1111)
        resolved = self.webhook.wait("resolved", alertname="NswardenSysctlDrift")
        self.assertEqual(resolved["labels"], alert["labels"])
        self.assertEqual(self.prometheus.alerts(), ["NswardenNotEnforcing"])

    def check_reload_alert(self):
        self.configure(GOOD.replace("sysctls", "sysctl"))
        self.webhook.wait("firing", alertname="NswardenConfigReloadFailed", severity="warning", **self.target)
        self.configure(GOOD)
        self.webhook.wait("resolved", alertname="NswardenConfigReloadFailed", **self.target)


if __name__ == "__main__":
    missing = missing_program("prometheus", "prometheus-alertmanager")
    if missing:
        print(f"SKIP: needs {missing}")
        sys.exit(77)
    harness.main()
