# SPDX-License-Identifier: Apache-2.0
"""promtool accepts the examples of docs/scale.md, its shards take each node once, and its numbers of series match
docs/metrics.md."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROMTOOL = shutil.which("promtool")
LEAF = "prometheus.yml of a leaf"
ABOVE = "prometheus.yml of a Prometheus above the leaves"
GLOBAL = "global.yaml: recording rules above the leaves"
SHARDS = 5  # in the test; the page has more
NODES = [f"10.{i // 250}.{i % 250}.1:10042" for i in range(1000)]


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def snippets():
    """{comment in the first line: the text below it}, of all YAML in the page."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", read("docs", "scale.md"), re.MULTILINE | re.DOTALL)
    titled = [block.split("\n", 1) for block in blocks]
    return {title.removeprefix("# "): text for title, text in titled}


def promtool(*arguments):
    done = subprocess.run([PROMTOOL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          encoding="utf-8", timeout=120)
    return done.returncode, done.stdout, done.stderr


def recorded():
    return [rule["record"] for group in yaml.safe_load(read("dashboards", "recording.yaml"))["groups"] for rule in group["rules"]]


class Page(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="nswarden-scale-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.snippets = snippets()

    def install(self, text, name="prometheus.yml"):
        """The configuration in a file, next to all files that it names."""
        for rules in ("alerts.yaml", "recording.yaml"):
            shutil.copyfile(os.path.join(ROOT, "dashboards", rules), os.path.join(self.directory, rules))
        with open(os.path.join(self.directory, "global.yaml"), "w", encoding="utf-8") as file:
            file.write(self.snippets[GLOBAL])
        os.makedirs(os.path.join(self.directory, "nodes"), exist_ok=True)
        with open(os.path.join(self.directory, "nodes", "all.json"), "w", encoding="utf-8") as file:
            json.dump([{"targets": NODES}], file)
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("/etc/prometheus/nswarden", self.directory))
        return path

    def test_every_snippet_is_right_by_promtool(self):
        self.assertLessEqual({LEAF, ABOVE, GLOBAL}, set(self.snippets))
        for title, text in self.snippets.items():
            with self.subTest(title):
                path = self.install(text)
                kind = "rules" if "groups" in yaml.safe_load(text) else "config"
                status, out, errors = promtool("check", kind, *(["--lint=all", "--lint-fatal"] if kind == "rules" else []), path)
                self.assertEqual(status, 0, out + errors)

    def test_promtool_sees_a_mistake_in_them(self):
        for title, right, wrong in ((LEAF, "action: hashmod", "action: hashmode"), (ABOVE, "honor_labels", "honour_labels"),
                                    (LEAF, "write_relabel_configs", "relabel_configs"), (LEAF, "recording.yaml", "records.yaml")):
            with self.subTest(wrong):
                self.assertIn(right, self.snippets[title])
                status, _, _ = promtool("check", "config", self.install(self.snippets[title].replace(right, wrong)))
                self.assertNotEqual(status, 0)

    def test_each_node_is_scraped_by_one_shard_and_all_shards_have_about_as_many(self):
        config = yaml.safe_load(self.snippets[LEAF])
        hashed, kept = config["scrape_configs"][0]["relabel_configs"]
        self.assertEqual((hashed["action"], kept["action"]), ("hashmod", "keep"))
        hashed["modulus"] = SHARDS
        asked = []
        for shard in range(SHARDS):
            kept["regex"] = str(shard)
            path = self.install(yaml.safe_dump(config), f"shard-{shard}.yml")
            asked.append(subprocess.Popen([PROMTOOL, "check", "service-discovery", "--timeout=4s", path, "nswarden"], encoding="utf-8",
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        answers = [json.loads(process.communicate(timeout=120)[0]) for process in asked]
        taken = [{target["labels"]["instance"] for target in answer if target.get("labels")} for answer in answers]
        self.assertEqual(sorted(node for nodes in taken for node in nodes), sorted(NODES))
        for nodes in taken:
            self.assertAlmostEqual(len(nodes), len(NODES) / SHARDS, delta=50)

    def test_what_is_passed_on_is_recorded_for_jobs_and_nothing_of_single_nodes_but_the_worst(self):
        (write,) = yaml.safe_load(self.snippets[LEAF])["remote_write"]
        (keep,) = write["write_relabel_configs"]
        (scrape,) = yaml.safe_load(self.snippets[ABOVE])["scrape_configs"]
        (match,) = scrape["params"]["match[]"]
        self.assertEqual(match, '{__name__=~"%s"}' % keep["regex"])
        passed = [name for name in recorded() if re.fullmatch(keep["regex"], name)]
        self.assertEqual(passed, [name for name in recorded() if name.startswith("job")])
        self.assertEqual([name for name in passed if "instance:" in name], ["job_instance:nswarden_drifted_sysctls:topk20"])
        for name in ("nswarden_sysctl_drift", "nswarden_build_info", "instance:nswarden_managed_sysctls:sum", "up", "ALERTS"):
            self.assertIsNone(re.fullmatch(keep["regex"], name))

    def test_series_of_a_node_are_those_of_the_other_page_and_add_up(self):
        page = read("docs", "scale.md")
        of_daemon, of_policy, with_sysctls, of_key = (int(number) for number in re.findall(
            r"^\| (?:the daemon itself|each policy|each policy with `sysctls`|each key \(or glob\) of a policy) \| (\d+) \|$",
            read("docs", "metrics.md"), re.MULTILINE))
        rows = dict(re.findall(r"^\| ([^|]+) \| (\d+) \|", page, re.MULTILINE))
        self.assertEqual(int(rows["policies and keys"]), of_daemon + 3 * (of_policy + with_sysctls) + 15 * of_key)
        self.assertEqual(int(rows["rules"]), sum(name.startswith("instance:") for name in recorded()))
        node = sum(int(rows[name]) for name in ("policies and keys", "names of writers", "Prometheus itself", "rules"))
        self.assertIn(f"| **a quiet node** | **{node}** |", page)
        self.assertIn(f"{of_daemon} + 3 x ({of_policy} + {with_sysctls}) + 15 x {of_key} |", page)
        built_in = of_daemon + of_policy + with_sysctls + 2 * of_key
        self.assertIn(f"{built_in} + 1 + 5 + {rows['rules']} = {built_in + 6 + int(rows['rules'])}", page)

    def test_rules_above_the_leaves_take_only_what_is_passed_on(self):
        rules = [rule for group in yaml.safe_load(self.snippets[GLOBAL])["groups"] for rule in group["rules"]]
        for rule in rules:
            names = re.findall(r"job\w*:nswarden_\w+:\w+", rule["expr"])
            with self.subTest(rule["record"]):
                self.assertTrue(names)
                self.assertLessEqual(set(names), set(recorded()))
                self.assertIn("max without (replica)", rule["expr"])
                self.assertFalse([name for name in names if re.search(r":(ratio|p\d\d_5m)$", name)], "cannot be added up")


if __name__ == "__main__":
    if not PROMTOOL:
        print("SKIP: needs promtool")
        sys.exit(77)
    unittest.main()
