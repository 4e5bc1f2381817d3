# SPDX-License-Identifier: Apache-2.0
"""The queries of dashboards/ in a real Prometheus that scraped a daemon in each situation: each returns data there, and
correct data. dashboard_files_test.py checks the files without Prometheus."""

import json
import math
import re
import sys
import unittest

import harness
from grafana import ALL, BOARDS
from monitoring import missing_program
from promql_units import Expression
from situations import JOB, LOOK_BACK, SCRAPE, Fleet

# Series that no situation here can trigger; all others must be nonzero in at least one situation.
MAY_BE_ZERO = {"Events lost": "the kernel's queues overflow only under a flood", "Commands dropped": "a thousand have to wait first"}
UNUSED = {"nswarden_netns_drifted_sysctls": "only where --metrics.per-netns asks for it; nswarden_sysctl_drift says more of fewer"}


class Answers(unittest.TestCase):
    """One fleet for all tests: starting it takes most of the time."""

    @classmethod
    def setUpClass(cls):
        case = harness.Case("run")
        case.setUp()
        cls.addClassCleanup(case.doCleanups)
        cls.fleet = Fleet(case.directory, case.addCleanup)
        cls.fleet.live()
        cls.prometheus = cls.fleet.prometheus
        span = math.ceil(cls.fleet.until - cls.fleet.began)
        cls.times = {"__rate_interval": LOOK_BACK, "__interval": f"{SCRAPE}s", "__range": f"{span}s"}
        cls.nodes = list(cls.fleet.nodes.values())
        cls.choices = {"fleet": [{"job": [ALL], "instance": [ALL], "policy": [ALL]}],
                       "node": [{"job": JOB, "instance": instance, "policy": [ALL]} for instance in cls.nodes]}

    def text(self, name, text, chosen):
        return BOARDS[name].put_in(text, chosen, {"job": [JOB]}, **self.times)

    def series(self, name, text):
        """All series that the dashboard gets for this query, over the time range and for each selectable node."""
        found = []
        for chosen in self.choices[name]:
            found += self.prometheus.over(self.text(name, text, chosen), self.fleet.began, self.fleet.until, SCRAPE)
        return found

    def test_every_query_of_every_panel_has_an_answer_in_some_situation(self):
        for name, board in BOARDS.items():
            for target in board.targets():
                with self.subTest(target.where):
                    found = self.series(name, target.expr)
                    values = [value for _, series in found for value in series if not math.isnan(value)]
                    self.assertTrue(values, f"no data: {target.expr}")
                    if target.panel["title"] not in MAY_BE_ZERO and target.column_is_shown() and not target.expr.endswith(" == 0"):
                        self.assertTrue(any(values), f"always 0: {target.expr}")
                    self.assertTrue(all(math.isfinite(value) for value in values), target.expr)
                    self.has_labels(target, found)

    def has_labels(self, target, found):
        """The series have the labels that the legend, columns and links refer to, and belong to no other job."""
        wanted = set(re.findall(r"\{\{(\w+)\}\}", target.target["legendFormat"]))
        links = json.dumps(target.panel["fieldConfig"])
        wanted |= set(re.findall(r"__field\.labels\.(\w+)", links))
        if target.panel["type"] == "table":
            organize = target.panel["transformations"][-1]["options"]
            columns = [label for label in organize["indexByName"] if not label.startswith("Value")]
            wanted |= set(columns)
            self.assertLessEqual(set(re.findall(r"__data\.fields\.(\w+)", links)), set(columns))
            self.assertFalse(set(columns) & set(organize["excludeByName"]))
            for labels, _ in found:
                self.assertLessEqual(set(labels), {*columns, *organize["excludeByName"]}, "a column that nobody asked for")
        for labels, _ in found:
            self.assertLessEqual(wanted, set(labels), target.expr)
            self.assertEqual(labels.get("job", JOB), JOB)

    def test_queries_of_now_are_understood(self):
        for name, board in BOARDS.items():
            for target in board.targets():
                if target.instant:
                    with self.subTest(target.where):
                        found = [series for chosen in self.choices[name]
                                 for series in self.prometheus.now(self.text(name, target.expr, chosen), self.fleet.ended)]
                        self.assertTrue(found)

    def test_each_annotation_marks_something(self):
        for name, board in BOARDS.items():
            for annotation in board.annotations():
                with self.subTest(f"{name}: {annotation['name']}"):
                    self.assertTrue(self.series(name, annotation["expr"]))

    def test_variables_offer_what_there_is(self):
        policies = {"fleet": ["audited", "observed", "overruled", "routers"], "node": ["routers"]}
        for name, board in BOARDS.items():
            chosen = {**self.choices[name][0], "job": [JOB] if board.variables["job"]["multi"] else JOB}
            offered = {variable: self.prometheus.label_values(label, self.text(name, selector, chosen), self.fleet.began, self.fleet.until)
                       for variable, (selector, label) in board.queries_of_variables().items()}
            self.assertEqual(offered, {"job": [JOB], "instance": sorted(self.nodes), "policy": policies[name]})

    def test_a_policy_that_is_chosen_is_the_only_one_shown(self):
        selector = BOARDS["fleet"].put_in('nswarden_netns{policy=~"$policy"}', {"policy": ["audited", "overruled"]})
        self.assertEqual({labels["policy"] for labels, _ in self.prometheus.now(selector, self.fleet.ended)}, {"audited", "overruled"})

    def test_metrics_are_all_known_and_all_used(self):
        used = {selector.metric for board in BOARDS.values() for text in board.expressions() for selector in Expression(text).selectors}
        there = set(self.prometheus.api("label/__name__/values", **{"match[]": f'{{job="{JOB}"}}'}))
        self.assertEqual(used - there, set())
        families = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
        offered = {re.sub("_seconds_(bucket|sum|count)$", "_seconds", name) for name in there if name.startswith(("nswarden_", "process_"))}
        self.assertEqual(offered - families - set(UNUSED), set())

    def panels(self, name, chosen):
        """{title: [last result of each query of that panel]}."""
        panels = {}
        for target in BOARDS[name].targets():
            found = self.prometheus.now(self.text(name, target.expr, chosen), self.fleet.ended)
            panels.setdefault(target.panel["title"], []).append(found)
        return panels

    def test_what_they_say_of_each_node_is_true(self):
        # Of the drift in "drift", two settings are listed; the third one is missing and not listed.
        for situation, drifted, reasons, configuration in (
                ("quiet", 0, set(), 1), ("drift", 3, {"value"}, 1), ("failing", 1, {"value"}, 1),
                ("fighting", 1, {"suspended"}, 1), ("reloading", 0, set(), 0), ("busy", 0, set(), 1), ("deaf", 0, set(), 1)):
            with self.subTest(situation):
                instance = self.fleet.nodes[situation]
                panels = self.panels("node", {"job": JOB, "instance": instance, "policy": [ALL]})
                self.assertEqual(number(panels["Compliance"]), drifted)
                self.assertEqual(number(panels["Settings compliant"]) == 1, drifted == 0)
                self.assertEqual({labels["reason"] for labels, _ in panels["Settings that drift"][0]}, reasons)
                self.assertEqual(number(panels["Scrape"]), 1)
                self.assertEqual((number(panels["Configuration"]), number(panels["Web config"])), (configuration, configuration))
                self.assertLess(number(panels["Last sweep"]), 60)
                deaf = {labels["source"] for labels, value in panels["Event sources"][0] if value == 0}
                self.assertEqual("netlink" in deaf, situation == "deaf")

    def test_a_node_that_is_down_is_not_called_compliant(self):
        panels = self.panels("node", {"job": JOB, "instance": self.fleet.nodes["gone"], "policy": [ALL]})
        self.assertEqual((panels["Compliance"], panels["Settings compliant"], panels["Configuration"]), ([[]], [[]], [[]]))
        self.assertEqual(number(panels["Scrape"]), 0)

    def test_what_they_say_of_the_fleet_is_true(self):
        panels = self.panels("fleet", self.choices["fleet"][0])
        alive = len(self.nodes) - 1
        node = self.fleet.nodes
        bad = {"drift", "failing", "fighting"}
        self.assertEqual(number(panels["Nodes up"]), alive)
        self.assertEqual(number(panels["Nodes down"]), 1)
        self.assertAlmostEqual(number(panels["Nodes compliant"]), (alive - len(bad)) / alive)
        self.assertEqual(instances(panels["Worst nodes"]), {node[name] for name in bad})
        self.assertEqual(instances(panels["Nodes that are down"]), {node["gone"]})
        self.assertEqual(instances(panels["Configuration rejected"]), {node["reloading"]})
        deaf = {labels["instance"] for labels, _ in panels["Nodes with event sources down"][0] if labels["source"] == "netlink"}
        self.assertEqual(deaf, {node["deaf"]})
        self.assertEqual(sum(value for _, value in panels["Configurations in the fleet"][0]), alive)
        self.assertEqual({labels["policy"]: value for labels, value in panels["Audit-only policies"][0]}, {"audited": 1, "observed": 1, "overruled": 1})


def number(answers):
    return answers[0][0][1]


def instances(answers):
    return {labels["instance"] for labels, _ in answers[0]}


if __name__ == "__main__":
    if missing := missing_program("prometheus"):
        print(f"SKIP: needs {missing}")
        sys.exit(77)
    harness.main()
