# SPDX-License-Identifier: Apache-2.0
"""The dashboards in dashboards/ equal the generator's output, can be provisioned unchanged, have consistent links, and show
values in the unit of their query. dashboards_test.py tests the queries."""

import json
import os
import re
import subprocess
import sys
import unittest

import grafana
from grafana import BOARDS, ROOT
from promql_units import Expression, Meaningless

SHOWN_AS = {"seconds": {"s"}, "bytes": {"bytes"}, "ratio": {"percentunit"}, "per second": {"cps"}, "per minute": {"cpm"}, "count": {"short"},
            "time in ms": {"dateTimeFromNow", "dateTimeAsIso"}, "flag": {"none"}, "any": {"none"}}
GRAFANAS_OWN = {"__url_time_range", "__field", "__data"}


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
        def visit(value):
            if isinstance(value, dict):
                if "datasource" in value:
                    self.assertEqual(value["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                for inner in value.values():
                    visit(inner)
            elif isinstance(value, list):
                for inner in value:
                    visit(inner)

        for board in BOARDS.values():
            visit(board.model)
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

    def test_what_is_shown_as_now_is_asked_for_now(self):
        # Over a range the last value persists when a node is down: it would be shown as compliant.
        for board in BOARDS.values():
            for target in board.targets():
                now = target.panel["type"] in ("stat", "bargauge", "table")
                self.assertEqual((target.target["instant"], target.target["range"]), (now, not now), target.where)

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
                    if where != "dashboard":  # from a node in a panel
                        self.assertEqual(given, {"datasource", "job", "instance", "policy"})
                        self.assertTrue(url.endswith("&${__url_time_range}"))
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


if __name__ == "__main__":
    unittest.main()
