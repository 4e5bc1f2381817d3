# SPDX-License-Identifier: Apache-2.0
"""The number of series in a scrape matches docs/metrics.md, regardless of the number of netns, and none belongs to a removed
netns."""

import os
import re
import shutil
import subprocess

import harness
import metrics_page
from harness import NETNS_DIR, add_netns, config, delete_netns, policy, put
from hostile_names_test import SHOWN

BUILT_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "config", "nswarden.yaml")
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
MANY = 1000
LIMIT = 200  # by default
MOST = 300  # with the built-in policy


def samples(text):
    return sum(bool(line) and not line.startswith("#") for line in text.split("\n"))


def expected(*policies):
    """The sum of the page's table over policies, each (number of keys, whether it has commands)."""
    of_daemon, of_policy, with_sysctls, of_key, with_commands = (int(row[1]) for row in metrics_page.table("| for | series |"))
    return of_daemon + sum(of_policy + (with_sysctls if keys else 0) + of_key * keys + (with_commands if commands else 0)
                           for keys, commands in policies)


class Series(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(NETNS_DIR)

    def add(self, names):
        for name in names:
            add_netns(name)

    def test_there_are_as_many_with_one_compliant_netns_as_with_1000(self):
        if not os.path.exists(harness.key_path(LIBERAL)):
            self.skipTest("nf_conntrack is not loaded")
        shutil.copyfile(BUILT_IN, self.config_file)
        add_netns("qrouter-first")
        daemon = self.start(log_level="info")
        with_one = samples(daemon.scrape_text())
        self.add(f"qrouter-{number}" for number in range(1, MANY))
        daemon.wait_metrics(lambda m: m.sum("netns") == MANY and m.sum("drifted_sysctls") == 0, "all compliant")
        text = daemon.scrape_text()
        print(f"{samples(text)} series with {MANY} compliant netns", flush=True)
        self.assertLess(samples(text), MOST)
        self.assertEqual(samples(text), with_one)
        self.assertEqual(samples(text), int(re.search(r"The built-in policy has (\d+)", metrics_page.read())[1]))
        self.assertEqual(samples(text), expected((2, False)))
        self.assertNotIn("qrouter", text)

    def test_they_grow_with_policies_and_keys_as_the_page_says(self):
        commands = "    commands: {startup: ['true'], events: {IN_CREATE: ['true']}}\n"
        for text, shape in (
                (config(policy("a", "^a-", {KEY: 1234})), [(1, False)]),
                (config(policy("a", "^a-", {KEY: 1234, OTHER: 33, "net.ipv4.conf.*.forwarding": 1})), [(3, False)]),
                (config(policy("a", "^a-", {KEY: 1234}) + commands, policy("b", ".*", {OTHER: 33}, "audit")), [(1, True), (1, False)]),
                ("version: 1\npolicies:\n  - name: a\n    netns: .*\n" + commands, [(0, True)])):
            with self.subTest(text):
                self.configure(text)
                daemon = self.start(log_level="info")
                self.assertEqual(samples(daemon.scrape_text()), expected(*shape))
                daemon.stop()

    def test_when_everything_has_drifted_no_more_are_added_than_the_limit(self):
        self.configure(config(policy("routers", "^router-", {KEY: 1234, OTHER: 33}, "audit")))
        self.add(f"router-{number}" for number in range(MANY))
        base = expected((2, False))
        for flags, limit, of_netns in (([], LIMIT, 0), (["--metrics.series-limit=7"], 7, 0), (["--metrics.series-limit=0"], 0, 0),
                                       (["--metrics.series-limit=7", "--metrics.per-netns"], 7, MANY)):
            with self.subTest(flags):
                daemon = self.start("--audit", *flags, log_level="info")
                text = daemon.scrape_text()
                metrics = harness.Metrics(harness.parse_metrics(text))
                self.assertEqual(metrics.sum("drifted_sysctls"), 2 * MANY)
                self.assertEqual(samples(text), base + limit + of_netns)
                self.assertEqual(len(metrics.all("sysctl_drift")), limit)
                self.assertEqual(metrics.sum("sysctl_drift_hidden"), 2 * MANY - limit)
                self.assertEqual(len(metrics.all("netns_drifted_sysctls")), of_netns)
                self.assertEqual(metrics.sum("netns_drifted_sysctls"), 2 * of_netns)
                daemon.stop()

    def test_the_dead_have_none(self):
        names = [f"router-{number}-end" for number in range(40)]
        self.configure(config(policy("routers", "^router-", {KEY: 1234}, "audit", observe=[KEY])))
        for flags, of_each in ([], 2), (["--metrics.per-netns"], 3):
            with self.subTest(flags):
                self.add(names)
                daemon = self.start(*flags, log_level="info")
                self.assertEqual(self.named(daemon), {name: of_each for name in names})
                for name in names[::2]:
                    delete_netns(name)
                daemon.wait_metrics(lambda m: m.sum("netns") == len(names) // 2, "half of them")
                self.assertEqual(self.named(daemon), {name: of_each for name in names[1::2]})
                for name in names[1::2]:
                    delete_netns(name)
                daemon.wait_metrics(lambda m: m.sum("netns") == 0, "none")
                text = daemon.scrape_text()
                self.assertNotIn("router-", text)
                self.assertEqual(samples(text), expected((1, False)))
                daemon.stop()

    def named(self, daemon):
        """{name: number of lines in the scrape}"""
        found = re.findall(r"router-\d+-end", daemon.scrape_text())
        return {name: found.count(name) for name in found}

    def test_counts_of_netns_add_up_to_those_of_policies_while_netns_come_drift_and_go(self):
        self.configure(config(policy("routers", "^router-", {KEY: 1234, OTHER: 33}, "audit"), policy("all", ".*", {OTHER: 44}, "audit"),
                              policy("veth", "^router-1", {"net.ipv4.conf.veth9.forwarding": 1}, "audit")))
        names = [f"router-{number}" for number in range(30)]
        self.add(names[:20] + ["other"])
        daemon = self.start("--metrics.per-netns", log_level="info")
        self.assertEqual(self.of(self.check_sums(daemon), "router-10"), {"routers": 1, "all": 1, "veth": 1})
        self.assertEqual(self.of(daemon.scrape(), "other"), {"all": 1})
        for name in names[:20]:
            put(name, KEY, 1234)
            self.check_sums(daemon)
        put("router-5", OTHER, 44)
        daemon.wait_metrics(lambda m: self.of(m, "router-5") == {"routers": 0, "all": 0}, "what was set right")
        for old, new in zip(names[:10], names[20:]):
            delete_netns(old)
            add_netns(new)
            self.check_sums(daemon)
        metrics = daemon.wait_metrics(lambda m: m.labels("netns_drifted_sysctls", "netns", policy="routers") == sorted(names[10:]), "others")
        self.assertEqual(self.of(metrics, "router-25"), {"routers": 1, "all": 1})
        self.check_sums(daemon)

    def of(self, metrics, netns):
        return {dict(labels)["policy"]: value for labels, value in metrics.all("netns_drifted_sysctls", netns=netns).items()}

    def check_sums(self, daemon):
        """In each scrape, since a scrape is a snapshot."""
        metrics = daemon.scrape()
        for name in metrics.labels("netns", "policy"):
            self.assertEqual(metrics.sum("netns_drifted_sysctls", policy=name), metrics.sum("drifted_sysctls", policy=name), name)
            self.assertEqual(len(metrics.all("netns_drifted_sysctls", policy=name)), metrics.sum("netns", policy=name), name)
        return metrics

    def test_a_hostile_name_is_one_series(self):
        self.add(SHOWN)
        self.configure(config(policy("everything", ".*", {KEY: 1234}, "audit")))
        daemon = self.start("--metrics.per-netns", "--metrics.series-limit=0", log_level="info")
        text = daemon.scrape_text()
        metrics = harness.Metrics(harness.parse_metrics(text))
        self.assertEqual(metrics.labels("netns_drifted_sysctls", "netns"), sorted(SHOWN.values()))
        self.assertEqual(samples(text), expected((1, False)) + len(SHOWN))
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, encoding="utf-8", check=False)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))


if __name__ == "__main__":
    harness.main()
