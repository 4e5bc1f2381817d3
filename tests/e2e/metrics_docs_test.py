# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md, docs/metrics-daemon.md and the exported metrics, compared in both directions."""

import json
import os
import re
import signal
import subprocess

import harness
import metrics_page
from harness import NETNS_DIR, add_netns, config, policy, put, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
CLAMPED = "net.ipv4.ping_group_range"
CONNTRACK = "net.netfilter.nf_conntrack_count"
CONFIG = config(
    policy("routers", "^router-", {KEY: 1234}) + "    commands: {startup: ['true'], events: {IN_CREATE: ['exit 3'], IN_ATTRIB: ['true']}}\n",
    policy("audited", "^audit-", {KEY: 4321, "net.ipv4.conf.veth9.forwarding": 1, "net.ipv6.conf.all.stable_secret": "2001:db8::1"},
           "audit", observe=[KEY, CONNTRACK]),
    policy("clamped", "^clamped-", {CLAMPED: "5 1"}))

# Names and labels that scripts, dashboards and alerts depend on: they must stay, independently of the page.
POLICY = ("policy",)
PROMISED = {
    "build_info": ("version", "revision", "compiler"), "config_last_reload_successful": (),
    "config_last_reload_success_timestamp_seconds": (), "config_reloads_total": ("result",), "netns": POLICY, "netns_unmatched": (),
    "netns_pending": (), "managed_sysctls": POLICY, "drifted_sysctls": POLICY, "suspended_sysctls": POLICY,
    "enforcement_enabled": POLICY, "policy_conflicts": POLICY, "sysctl_drift": ("policy", "netns", "sysctl", "reason"),
    "sysctl_drift_hidden": (), "drift_detected_total": ("policy", "sysctl", "source"),
    "actions_total": ("policy", "action", "result"), "action_failures_total": ("policy", "action", "reason"),
    "events_total": ("source", "event"), "event_overflows_total": ("source",), "event_source_up": ("source",), "bound_sysctls": (),
    "dirfd_sysctls": (), "reconciles_total": ("trigger",), "reconcile_duration_seconds": (),
    "reconcile_last_success_timestamp_seconds": (), "time_to_compliance_seconds": ("trigger",), "commands_queued": (),
    "commands_running": (),
}
PROCESS = ("cpu_seconds_total", "max_fds", "open_fds", "resident_memory_bytes", "start_time_seconds", "virtual_memory_bytes")
SELECTOR = re.compile(r'\b((?:nswarden|process)_\w+)(?:\{([^}]*)\})?')
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"(?:, *|$)')
OF_PROMETHEUS = {"instance", "job", "le"}


class Seen:
    """All scraped series: {name: {label: values}} with each kind and set of labels."""

    def __init__(self):
        self.kinds, self.label_sets, self.values, self.series = {}, {}, {}, set()

    def collect(self, daemon):
        text = daemon.scrape_text()
        for name, family in metrics_page.families(text).items():
            self.kinds.setdefault(name, set()).add(family.kind)
            for labels in family.series:
                self.label_sets.setdefault(name, set()).add(frozenset(labels))
                for label, value in labels.items():
                    self.values.setdefault((name, label), set()).add(value)
        metrics = harness.Metrics(harness.parse_metrics(text))
        self.series |= {(name, key) for name, series in metrics.items() for key in series}
        return metrics

    def until(self, daemon, condition, what):
        return wait_until(lambda: condition(self.collect(daemon)), lambda: f"{what}; its log:\n{daemon.log()}")


class Page(harness.Case):
    collected = None  # made once

    def setUp(self):
        super().setUp()
        self.page = metrics_page.sections()

    def of_series(self, name):
        """The section of a queried series, or None if it does not exist."""
        if name in self.page:
            return self.page[name] if self.page[name].kind != "histogram" else None
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        return self.page.get(base) if base != name and base in self.page and self.page[base].kind == "histogram" else None

    def collect_all(self):
        """Daemons in every situation that has series of its own."""
        if Page.collected:
            return Page.collected
        seen = Seen()
        os.mkdir(NETNS_DIR)
        self.configure(CONFIG)
        for name in ("audit-1", "clamped-1", "nobody"):
            add_netns(name)
        daemon = self.start("--metrics.per-netns", log_level="info")
        seen.until(daemon, lambda m: set(m.labels("sysctl_drift", "reason")) == {"value", "missing", "unreadable", "clamped"}, "drift")
        add_netns("router-1")
        seen.until(daemon, lambda m: m.sum("action_failures_total", action="command", reason="exit") == 1, "a command that fails")
        harness.place_file("router-2")
        os.chmod(harness.path_of("router-2"), 0o600)
        seen.until(daemon, lambda m: m.sum("actions_total", action="command", result="success") == 1, "one that does not")

        def is_suspended():
            put("router-1", KEY, 5)
            return "suspended" in seen.collect(daemon).labels("sysctl_drift", "reason")

        wait_until(is_suspended, "suspended")
        self.configure(CONFIG + "nonsense: true\n")
        daemon.signal(signal.SIGHUP)
        seen.until(daemon, lambda m: m.sum("config_reloads_total", result="failure") > 0, "a bad reload")
        self.configure(CONFIG)
        daemon.signal(signal.SIGHUP)
        seen.until(daemon, lambda m: m.sum("config_last_reload_successful") == 1, "a good one")
        self.check_by_promtool(daemon.scrape_text())
        Page.collected = seen
        return seen

    def check_by_promtool(self, text):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, encoding="utf-8", check=False)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_what_is_exported_is_in_the_page_and_what_is_in_the_page_is_exported(self):
        seen = self.collect_all()
        self.assertEqual(sorted(seen.kinds), sorted(self.page), "names")
        self.assertEqual({name: kinds for name, kinds in seen.kinds.items()}, {name: {of.kind} for name, of in self.page.items()})
        self.assertEqual(seen.label_sets, {name: {frozenset(of.labels)} for name, of in self.page.items()})
        for name, of in self.page.items():
            for label, values in of.labels.items():
                if values is not None:
                    self.assertEqual(sorted(seen.values[name, label]), sorted(values), f"{label} of {name}")

    def test_what_is_promised_is_there_for_good(self):
        promised = {"nswarden_" + name: set(labels) for name, labels in PROMISED.items()}
        promised |= {"process_" + name: set() for name in PROCESS}
        for name, labels in promised.items():
            self.assertIn(name, self.page)
            self.assertEqual((name, set(self.page[name].labels), self.page[name].stability), (name, labels, "stable"))

    def test_labels_that_may_have_any_value_are_explained(self):
        explained = {row[0].strip("`") for row in metrics_page.table("| label | value |")}
        open_labels = set()
        for of in self.page.values():
            for label in [label for label, values in of.labels.items() if values is None]:
                open_labels.add(label)
                self.assertTrue(label in explained or f"`{label}`" in of.meaning, f"{label} of {of.name}")
        self.assertLessEqual(explained, open_labels)

    def test_every_query_parses(self):
        rules = "groups:\n- name: page\n  rules:\n"
        for name, of in self.page.items():
            rules += f"  - record: page:{name}\n    expr: |\n" + "".join(f"      {line}\n" for line in of.query.split("\n"))
        path = os.path.join(self.directory, "rules.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(rules)
        checked = subprocess.run(["promtool", "check", "rules", path], capture_output=True, encoding="utf-8", check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn(f"{len(self.page)} rules found", checked.stdout)

    def test_every_query_gives_something_with_what_daemons_export(self):
        if not os.path.exists(harness.key_path(CONNTRACK)):
            self.skipTest("nf_conntrack is not loaded")
        series = []
        for name, key in self.collect_all().series:
            labels = ",".join(f"{label}={json.dumps(value)}" for label, value in [*key, ("instance", "node-1"), ("job", "nswarden")])
            series.append({"series": f"{name}{{{labels}}}", "values": "0+1x120"})
        # Whether the operands exist, since an alert is empty most of the time.
        queries = [re.sub(r" (?:==|>) [0-9]+$", "", of.query) for of in self.page.values()]
        tests = [{"expr": f"count({query}) > bool 0", "eval_time": "1h", "exp_samples": [{"labels": "{}", "value": 1}]} for query in queries]
        path = os.path.join(self.directory, "test.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"tests": [{"interval": "30s", "input_series": series, "promql_expr_test": tests}]}, file)
        tested = subprocess.run(["promtool", "test", "rules", path], capture_output=True, encoding="utf-8", check=False)
        self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)

    def test_every_query_uses_its_metric_and_names_nothing_that_does_not_exist(self):
        for name, of in self.page.items():
            used = [(self.of_series(series), series, matchers) for series, matchers in SELECTOR.findall(of.query)]
            self.assertIn(of, [section for section, _, _ in used], f"the query of {name}: {of.query}")
            known = set(OF_PROMETHEUS)
            for section, series, matchers in used:
                self.assertIsNotNone(section, f"no series is named {series}: {of.query}")
                known |= set(section.labels)
                self.check_matchers(section, matchers)
            for labels in re.findall(r"\b(?:by|on|without|ignoring) ?\(([^)]*)\)", of.query):
                self.assertLessEqual(set(labels.split(", ")), known, of.query)

    def check_matchers(self, section, matchers):
        found = MATCHER.findall(matchers)
        self.assertEqual(bool(found), bool(matchers), matchers)
        for label, operator, value in found:
            self.assertIn(label, set(section.labels) | OF_PROMETHEUS, f"{section.name}: {matchers}")
            values = section.labels.get(label)
            if values is not None:
                self.assertLessEqual(set(value.split("|") if "~" in operator else [value]), set(values), f"{section.name}: {matchers}")


if __name__ == "__main__":
    harness.main()
