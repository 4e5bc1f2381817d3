# SPDX-License-Identifier: Apache-2.0
"""promtool accepts the rules in dashboards/, each alert has all fields that its recipient needs, and the tests of each rule
fail when it is broken: a test that cannot fail proves nothing."""

import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DASHBOARDS = os.path.join(ROOT, "dashboards")
RUNBOOKS = os.path.join(ROOT, "docs", "runbooks")
PROMTOOL = shutil.which("promtool")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def load(path):
    return yaml.safe_load(read(path))


def rules(document):
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_files(prefix):
    tests = os.path.join(DASHBOARDS, "tests")
    return sorted(os.path.join(tests, name) for name in os.listdir(tests) if name.startswith(prefix))


def promtool(*arguments):
    """Exit status and complete output."""
    done = subprocess.run([PROMTOOL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, encoding="utf-8", timeout=120)
    return done.returncode, done.stdout


def failures_with(name, document, about=("",)):
    """The output of those tests in dashboards/ that contain one of the words `about`, with `document` in place of the rule
    file `name`."""
    with tempfile.TemporaryDirectory(prefix="nswarden-rules-") as directory:
        shutil.copytree(os.path.join(DASHBOARDS, "tests"), os.path.join(directory, "tests"))
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file)
        files = [path for path in test_files(os.path.splitext(name)[0]) if any(word in read(path) for word in about)]
        status, text = promtool("test", "rules", *(os.path.join(directory, "tests", os.path.basename(path)) for path in files))
        assert (status == 0) == ("FAILED" not in text), text
        return text


class Case(unittest.TestCase):
    def setUp(self):
        self.alerts = rules(load(os.path.join(DASHBOARDS, "alerts.yaml")))
        self.records = rules(load(os.path.join(DASHBOARDS, "recording.yaml")))


class Rules(Case):
    def test_promtool_finds_no_fault_in_them(self):
        files = [os.path.join(DASHBOARDS, name) for name in ("alerts.yaml", "recording.yaml")]
        status, text = promtool("check", "rules", "--lint=all", "--lint-fatal", *files)
        self.assertEqual(status, 0, text)

    def test_their_own_tests_pass(self):
        status, text = promtool("test", "rules", *test_files("alerts"), *test_files("recording"))
        self.assertEqual(status, 0, text)

    def test_names_of_recording_rules_say_level_metric_and_operation(self):
        for rule in self.records:
            with self.subTest(rule["record"]):
                self.assertRegex(rule["record"], r"^(instance|job(_[a-z]+)*):nswarden_[a-z_]+:(sum|count|ratio|rate5m|topk20|p\d\d_5m)$")

    def test_the_level_of_a_job_is_the_labels_that_are_left(self):
        for rule in self.records:
            labels = re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"])
            level = rule["record"].split(":")[0]
            if level.startswith("job") and "topk" not in rule["record"] and labels:
                with self.subTest(rule["record"]):
                    self.assertIn("_".join(labels[0].split(", ")), (level, level + "_le"))


class Alerts(Case):
    def test_each_has_all_that_who_is_woken_by_it_needs(self):
        for rule in self.alerts:
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
                self.assertTrue(summary)
                self.assertNotIn("{{", summary)
                self.assertIn("{{ $labels.instance }}", description)
                self.assertEqual(rule["annotations"]["runbook_url"], f"docs/runbooks/{rule['alert']}.md")

    def test_each_has_a_runbook_and_each_runbook_an_alert(self):
        self.assertEqual(sorted(os.listdir(RUNBOOKS)), sorted({rule["alert"] + ".md" for rule in self.alerts}))
        for name in os.listdir(RUNBOOKS):
            with self.subTest(name):
                text = read(os.path.join(RUNBOOKS, name))
                self.assertEqual(text.split("\n")[0], f"# {name[:-3]}")
                for heading in ("Meaning", "How to diagnose", "How to fix", "When it is harmless"):
                    self.assertIn(f"\n## {heading}\n", text)

    def test_the_table_in_the_documentation_says_what_the_rules_say(self):
        rows = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\)[^|]*\| (\w+) \| (\w+) \|",
                          read(os.path.join(ROOT, "docs", "alerts.md")), re.MULTILINE)
        said = [(alert, severity, duration) for alert, runbook, severity, duration in rows if alert == runbook]
        self.assertEqual(said, [(rule["alert"], rule["labels"]["severity"], str(rule.get("for", "0"))) for rule in self.alerts])

    def test_each_has_a_case_that_fires_and_one_that_does_not(self):
        cases = [case for path in test_files("alerts") for test in load(path)["tests"] for case in test["alert_rule_test"]]
        for rule in self.alerts:
            with self.subTest(rule["alert"]):
                own = [case["exp_alerts"] for case in cases if case["alertname"] == rule["alert"]]
                self.assertIn([], own)
                fired = [alert["exp_labels"] for alerts in own for alert in alerts]
                self.assertTrue([labels for labels in fired if rule["labels"].items() <= labels.items()])


class Broken(Case):
    """Tests all rules together, since promtool names the failing cases; rules of the same name are tested one at a time."""

    def check_noticed(self, change):
        """The tests of each rule detect `change`, a function that breaks a rule or returns False if it cannot."""
        document = load(os.path.join(DASHBOARDS, "alerts.yaml"))
        names = [rule["alert"] for rule in rules(document)]
        for turn in range(max(names.count(name) for name in names)):
            broken = copy.deepcopy(document)
            of_this_turn = [rule for i, rule in enumerate(rules(broken)) if names[:i].count(rule["alert"]) == turn]
            changed = [rule["alert"] for rule in of_this_turn if change(rule) is not False]
            text = failures_with("alerts.yaml", broken, changed or [""])
            for name in changed:
                with self.subTest(alert=name, turn=turn):
                    self.assertIn(f"alertname: {name},", text)

    def test_an_alert_that_never_fires_is_noticed(self):
        self.check_noticed(lambda rule: rule.update(expr=f"({rule['expr']}) and on () vector(1) < 0"))

    def test_an_alert_that_fires_at_once_is_noticed(self):
        self.check_noticed(lambda rule: rule.pop("for", False) and None)

    def test_an_alert_that_fires_later_is_noticed(self):
        later = {None: "1m", "5m": "6m", "10m": "11m", "15m": "16m", "30m": "31m", "1h": "61m"}
        self.check_noticed(lambda rule: rule.update({"for": later[rule.get("for")]}))

    def test_a_recording_rule_that_gives_another_value_is_noticed(self):
        document = load(os.path.join(DASHBOARDS, "recording.yaml"))
        for rule in rules(document):
            rule["expr"] = f"2 * ({rule['expr']}) + 1"
        text = failures_with("recording.yaml", document)
        for rule in self.records:
            with self.subTest(rule["record"]):
                self.assertRegex(text, f'expr: "[^"\n]*{rule["record"]}\\b')


if __name__ == "__main__":
    if not PROMTOOL:
        print("SKIP: needs promtool")
        sys.exit(77)
    unittest.main()
