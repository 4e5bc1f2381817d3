# SPDX-License-Identifier: Apache-2.0
"""The dashboards in dashboards/: what they ask is asked of a real Prometheus that scraped a daemon in each situation, and has to
have an answer there, in the unit that the panel shows. And they are what their generator makes, and well made."""

import json
import math
import os
import re
import subprocess
import sys
import unittest

import grafana
import harness
from grafana import ALL, ROOT
from prometheus_server import BINARY
from promql_units import Expression, Meaningless
from situations import JOB, Fleet

BOARDS = {name: grafana.load(name) for name in ("node", "fleet")}
SHOWN_AS = {"seconds": {"s"}, "bytes": {"bytes"}, "ratio": {"percentunit"}, "per second": {"cps"}, "per minute": {"cpm"}, "count": {"short"},
            "time in ms": {"dateTimeFromNow", "dateTimeAsIso"}, "flag": {"none"}, "any": {"none"}}
# What no situation here can have happen; everything else has to be other than 0 in at least one.
MAY_BE_ZERO = {"Events lost": "the kernel's queues overflow only under a flood", "Commands dropped": "a thousand have to wait first"}
UNUSED = {"nswarden_netns_drifted_sysctls": "only where --metrics.per-netns asks for it; nswarden_sysctl_drift says more of fewer"}
GRAFANAS_OWN = {"__url_time_range", "__field", "__data", "__rate_interval", "__range"}


class Structure(unittest.TestCase):
    def test_what_is_committed_is_what_the_generator_makes(self):
        code = "import json, sys; sys.path.insert(0, sys.argv[1]); import build; print(json.dumps(build.files()))"
        made = json.loads(subprocess.run([sys.executable, "-B", "-c", code, os.path.join(ROOT, "dashboards")], check=True,
                                         stdout=subprocess.PIPE).stdout)
        self.assertEqual(len(made), 4)
        for path, content in made.items():
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                self.assertEqual(file.read(), content, f"{path} is not current: run dashboards/build.py")

    def test_they_can_be_provisioned_as_they_are(self):
        for name, board in BOARDS.items():
            with self.subTest(name):
                self.assertEqual(board.model["uid"], f"nswarden-{name}")
                self.assertEqual(board.model["tags"], ["nswarden"])
                self.assertFalse({"id", "__inputs", "__requires", "gnetId"} & set(board.model))
                self.assertTrue(36 <= board.model["schemaVersion"] <= 39)
                self.assertTrue(board.model["refresh"] and board.model["time"]["from"])
                self.assertLessEqual({"datasource", "job", "instance", "policy"}, set(board.variables))
                self.assertEqual([v["query"] for v in board.variables.values() if v["type"] == "datasource"], ["prometheus"])
                policy = board.variables["policy"]
                self.assertEqual((policy["multi"], policy["includeAll"], policy["allValue"]), (True, True, ".+"))

    def test_the_data_source_is_the_variable_everywhere(self):
        def look(value):
            if isinstance(value, dict):
                if "datasource" in value:
                    self.assertEqual(value["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                for inner in value.values():
                    look(inner)
            elif isinstance(value, list):
                for inner in value:
                    look(inner)

        for board in BOARDS.values():
            look(board.model)
            asking = [*board.panels, *(target.target for target in board.targets()), *board.annotations(),
                      *(variable for variable in board.variables.values() if variable["type"] == "query")]
            self.assertEqual([part for part in asking if "datasource" not in part], [])

    def test_panels_have_ids_of_their_own_and_lie_beside_each_other(self):
        for name, board in BOARDS.items():
            panels = board.model["panels"]
            self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
            taken = {}
            for panel in panels:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24)
                for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
                    self.assertNotIn(cell, taken, f"{name}: {panel['title']} lies over {taken.get(cell)}")
                    taken[cell] = panel["title"]

    def test_each_panel_says_what_it_shows(self):
        for name, board in BOARDS.items():
            for panel in board.panels:
                with self.subTest(f"{name}: {panel['title']}"):
                    self.assertGreaterEqual(len(panel["description"].split()), 2)
                    self.assertTrue(panel["targets"])
                    self.assertEqual(len({target["refId"] for target in panel["targets"]}), len(panel["targets"]))
                    if len(panel["targets"]) > 1 and panel["type"] != "table":
                        self.assertNotIn("__auto", [target["legendFormat"] for target in panel["targets"]])

    def test_a_variable_that_takes_many_values_is_matched_as_a_pattern_and_one_that_takes_one_is_not(self):
        for board in BOARDS.values():
            texts = board.expressions() + [selector for selector, _ in board.queries_of_variables().values()]
            for selector in (selector for text in texts for selector in Expression(text).selectors):
                for label, (operator, value) in selector.matchers.items():
                    if value.startswith("$"):
                        self.assertEqual(value, f"${label}")
                        self.assertEqual(operator, "=~" if board.variables[label]["multi"] else "=", selector)

    def test_every_query_is_about_the_chosen_nodes(self):
        for board in BOARDS.values():
            for text in board.expressions():
                for selector in Expression(text).selectors:
                    self.assertLessEqual({"job", "instance"}, set(selector.matchers), text)

    def test_rates_look_back_as_far_as_the_scrapes_need(self):
        for board in BOARDS.values():
            for text in board.expressions():
                self.assertLessEqual(set(re.findall(r"\[([^\]]*)\]", text)), {"$__rate_interval", "$__range"}, text)

    def test_links_lead_to_what_is_there(self):
        boards = {board.model["uid"]: board for board in BOARDS.values()}
        led = set()
        for board in BOARDS.values():
            for where, url in links_of(board):
                with self.subTest(f"{where}: {url}"):
                    for match in grafana.VARIABLE.finditer(url):
                        self.assertIn(match[1] or match[2], {*board.variables, *GRAFANAS_OWN})
                    if not url.startswith("/d/"):
                        self.assertRegex(url, r"^http://\$\{[\w.]*instance\}/(\?netns=\$\{[\w.]*netns:percentencode\})?$")
                        continue
                    uid, _, query = url.removeprefix("/d/").partition("?")
                    given = set(re.findall(r"var-(\w+)=", query)) | set(re.findall(r"\$\{(\w+):queryparam\}", query))
                    self.assertLessEqual(given, set(boards[uid].variables))
                    self.assertIn("datasource", given)
                    led.add((board.model["uid"], uid))
        self.assertEqual(led, {("nswarden-node", "nswarden-fleet"), ("nswarden-fleet", "nswarden-node")})


class Units(unittest.TestCase):
    def test_the_rule_knows_what_an_expression_measures(self):
        for text, kind in (
                ("x_total", "count"), ("rate(x_total[1m])", "per second"), ("60 * sum by (a) (rate(x_total[1m]))", "per minute"),
                ("increase(x_total[1m])", "count"), ("rate(cpu_seconds_total[1m])", "ratio"), ("x_seconds", "seconds"),
                ("time() - x_timestamp_seconds", "seconds"), ("1000 * process_start_time_seconds", "time in ms"),
                ("histogram_quantile(0.5, sum by (le) (rate(x_seconds_bucket[1m])))", "seconds"),
                ("rate(x_seconds_sum[1m]) / rate(x_seconds_count[1m])", "seconds"), ("1 - sum(x) / (sum(y) > 0)", "ratio"),
                ("avg(x == bool 0)", "ratio"), ("sum(up)", "count"), ("x_bytes", "bytes"), ("count by (a) (x_info)", "count")):
            self.assertEqual(Expression(text).unit.kind(), kind, text)
        for text in ("x_bytes + y_seconds", "process_start_time_seconds", "histogram_quantile(0.5, x_total)", "x_bytes / y_seconds"):
            with self.assertRaises(Meaningless, msg=text):
                Expression(text).unit.kind()

    def test_each_panel_shows_its_values_in_the_unit_that_they_have(self):
        for board in BOARDS.values():
            for target in board.targets():
                with self.subTest(target.where):
                    unit = target.unit()
                    if unit is not None:
                        self.assertIn(unit, SHOWN_AS[Expression(target.expr).unit.kind()], target.expr)

    def test_the_rows_of_a_heat_map_are_in_the_unit_of_its_buckets(self):
        maps = [target for board in BOARDS.values() for target in board.targets() if target.panel["type"] == "heatmap"]
        self.assertTrue(maps)
        for target in maps:
            self.assertEqual(target.panel["options"]["yAxis"]["unit"], Expression(target.expr).unit.bounds)
            self.assertEqual(target.target["format"], "heatmap")

    def test_what_is_a_share_ends_at_all_of_it(self):
        for board in BOARDS.values():
            for panel in board.panels:
                defaults = panel["fieldConfig"]["defaults"]
                if defaults["unit"] == "percentunit" and "ompliant" in panel["title"]:
                    self.assertEqual((defaults["min"], defaults["max"]), (0, 1), panel["title"])


def links_of(board):
    """(where, url) of every link."""
    found = [("dashboard", link["url"]) for link in board.model["links"]]
    for panel in board.panels:
        found += [(panel["title"], link["url"]) for link in panel["fieldConfig"]["defaults"]["links"]]
        for override in panel["fieldConfig"]["overrides"]:
            found += [(panel["title"], link["url"]) for entry in override["properties"] if entry["id"] == "links" for link in entry["value"]]
    return found


class Answers(unittest.TestCase):
    """One fleet for all: it takes most of the time."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(BINARY):
            raise unittest.SkipTest(f"{BINARY} is not there")
        case = harness.Case("run")
        case.setUp()
        cls.addClassCleanup(case.doCleanups)
        cls.fleet = Fleet(case.directory, case.addCleanup)
        cls.fleet.live()
        cls.prometheus = cls.fleet.prometheus
        span = math.ceil(cls.fleet.ended - cls.fleet.began)
        cls.times = {"__rate_interval": "2s", "__interval": "500ms", "__range": f"{span}s"}  # as for scrapes each 0.5 s
        cls.nodes = list(cls.fleet.nodes.values())
        cls.choices = {"fleet": [{"job": [ALL], "instance": [ALL], "policy": [ALL]}],
                       "node": [{"job": JOB, "instance": instance, "policy": [ALL]} for instance in cls.nodes]}

    def text(self, name, text, chosen):
        return BOARDS[name].put_in(text, chosen, {"job": [JOB]}, **self.times)

    def series(self, name, text):
        """All series that the dashboard gets for this query, over the time and for each node that can be chosen."""
        found = []
        for chosen in self.choices[name]:
            found += self.prometheus.over(self.text(name, text, chosen), self.fleet.began, self.fleet.ended, "500ms")
        return found

    def test_every_query_of_every_panel_has_an_answer_in_some_situation(self):
        for name, board in BOARDS.items():
            for target in board.targets():
                with self.subTest(target.where):
                    found = self.series(name, target.expr)
                    values = [value for _, series in found for value in series if not math.isnan(value)]
                    self.assertTrue(values, f"no data: {target.expr}")
                    if target.panel["title"] not in MAY_BE_ZERO and target.column_is_shown():
                        self.assertTrue(any(values), f"always 0: {target.expr}")
                    self.assertTrue(all(math.isfinite(value) for value in values), target.expr)
                    self.has_labels(target, found)

    def has_labels(self, target, found):
        """Those that its legend, its columns and its links name; and no other job's."""
        wanted = set(re.findall(r"\{\{(\w+)\}\}", target.target["legendFormat"]))
        links = json.dumps(target.panel["fieldConfig"])
        wanted |= set(re.findall(r"__field\.labels\.(\w+)", links))
        if target.panel["type"] == "table":
            organize = target.panel["transformations"][-1]["options"]
            columns = [label for label in organize["indexByName"] if not label.startswith("Value")]
            wanted |= set(columns)
            self.assertLessEqual(set(re.findall(r"__data\.fields\.(\w+)", links)), set(columns))
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
            offered = {variable: self.prometheus.label_values(label, self.text(name, selector, chosen), self.fleet.began, self.fleet.ended)
                       for variable, (selector, label) in board.queries_of_variables().items()}
            self.assertEqual(offered, {"job": [JOB], "instance": sorted(self.nodes), "policy": policies[name]})

    def test_a_policy_that_is_chosen_is_the_only_one_shown(self):
        selector = BOARDS["fleet"].put_in('nswarden_netns{policy=~"$policy"}', {"policy": ["audited", "overruled"]})
        self.assertEqual({labels["policy"] for labels, _ in self.prometheus.now(selector, self.fleet.ended)}, {"audited", "overruled"})

    def test_metrics_are_all_known_and_all_used(self):
        used = {selector.metric for board in BOARDS.values() for text in board.expressions() for selector in Expression(text).selectors}
        there = set(self.prometheus.ask("label/__name__/values", **{"match[]": f'{{job="{JOB}"}}'}))
        self.assertEqual(used - there, set())
        families = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
        offered = {re.sub("_seconds_(bucket|sum|count)$", "_seconds", name) for name in there if name.startswith(("nswarden_", "process_"))}
        self.assertEqual(offered - families - set(UNUSED), set())

    def test_what_they_say_of_the_fleet_is_true(self):
        said = {}
        for target in BOARDS["fleet"].targets():
            found = self.prometheus.now(self.text("fleet", target.expr, self.choices["fleet"][0]), self.fleet.ended)
            said.setdefault(target.panel["title"], []).append(found)
        alive = len(self.nodes) - 1
        node = self.fleet.nodes
        bad = {"drift", "failing", "fighting"}
        self.assertEqual(number(said["Nodes up"]), alive)
        self.assertEqual(number(said["Nodes down"]), 1)
        self.assertAlmostEqual(number(said["Nodes compliant"]), (alive - len(bad)) / alive)
        self.assertEqual(instances(said["Worst nodes"]), {node[name] for name in bad})
        self.assertEqual(instances(said["Nodes that are down"]), {node["gone"]})
        self.assertEqual(instances(said["Configuration refused"]), {node["reloading"]})
        self.assertEqual(instances(said["Deaf nodes"]), {node["deaf"]})
        self.assertEqual(sum(value for _, value in said["Configurations in the fleet"][0]), alive)
        self.assertEqual({labels["policy"]: value for labels, value in said["Audit-only policies"][0]}, {"audited": 1, "observed": 1, "overruled": 1})


def number(answers):
    return answers[0][0][1]


def instances(answers):
    return {labels["instance"] for labels, _ in answers[0]}


if __name__ == "__main__":
    harness.main()
