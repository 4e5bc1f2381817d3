# SPDX-License-Identifier: Apache-2.0
"""Names in the netns directory are arbitrary bytes (kernel fact 8)."""

import json
import os
import subprocess

import harness
import witness
from harness import config, get, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
SHOWN = {  # in logs, labels, tables and JSON; escapes are the same everywhere, and different names never look alike
    b"plain": "plain",
    b"new\nline": r"new\x0aline",
    b"quo\"te'": "quo\"te'",
    b"back\\slash": r"back\x5cslash",
    b"back\\x0aslash": r"back\x5cx0aslash",
    b"$(id>forged)": "$(id>forged)",
    b"`id>forged`": "`id>forged`",
    b"*": "*",
    b"-rf": "-rf",
    b"--audit": "--audit",
    b" ": " ",
    b"a b\tc": r"a b\x09c",
    b"\xff\xfe invalid": r"\xff\xfe invalid",
    b"\xc3\xa9 valid": "\u00e9 valid",
    b"\xe2\x80\xae backwards": r"\xe2\x80\xae backwards",
    b"\x1b[31mred": r"\x1b[31mred",
    b'x"} 1\nnswarden_forged{a="': r'x"} 1\x0answarden_forged{a="',
    b"{}%s%n": "{}%s%n",
    b"...": "...",
    b"n" * 255: "n" * 255,
}
NAMES = list(SHOWN)


class HostileNames(witness.Case):
    WANTED = {"": {KEY: WANT}}

    def setUp(self):
        super().setUp()
        for name in NAMES:
            self.witness.add_netns(name)

    def test_every_name_is_governed_when_it_was_there_before_and_when_it_comes(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        daemon = self.start()
        for name in NAMES[::2]:
            harness.delete_netns(name)
        daemon.wait_metrics(lambda metrics: metrics.sum("netns") == len(NAMES[1::2]), "half of them")
        for name in NAMES[::2]:
            self.witness.add_netns(name)
        daemon.wait_metrics(lambda metrics: metrics.sum("netns") == len(NAMES), "all of them")
        self.assert_governs_all_and_nothing_else(daemon, NAMES)
        self.assertFalse(os.path.exists("forged"))

    def test_a_scrape_shows_every_name_once_forges_nothing_and_passes_promtool(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT}, "audit")))
        daemon = self.start()
        text = daemon.scrape_text()
        metrics = daemon.scrape()
        self.assertNotIn("nswarden_forged", metrics)
        self.assertEqual(metrics.labels("sysctl_drift", "netns"), sorted(SHOWN.values()))
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, encoding="utf-8", check=False)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_every_line_of_the_log_is_one_json_object(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, NAMES)
        self.assertEqual([line for line in daemon.lines if "not_json" in line], [])
        told = {line["netns"] for line in daemon.lines if line["msg"] == "sysctl repaired"}
        self.assertEqual(told, set(SHOWN.values()))

    def test_every_line_of_a_logfmt_log_is_one_line_and_shows_one_name(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        process = subprocess.Popen([harness.BINARY, "run", f"--config.file={self.config_file}", "--web.listen-address=127.0.0.1:0",
                                    "--log.level=debug"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
        for name in NAMES:
            self.wait_value(name, KEY, WANT)
        process.terminate()
        lines = process.communicate(timeout=harness.DEADLINE)[1].split("\n")[:-1]
        self.assertTrue(all(line.startswith("ts=") and line.isprintable() for line in lines), lines)
        self.assertEqual(sum('msg="sysctl repaired"' in line for line in lines), len(NAMES))

    def test_a_json_report_has_every_name_once_and_as_the_scrape_shows_it(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        done = harness.run_binary("check", f"--config.file={self.config_file}", "--output=json")
        self.assertEqual(done.returncode, 1, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(sorted(finding["netns"] for finding in report["findings"]), sorted(SHOWN.values()))
        self.assertEqual(report["totals"]["drifted"], len(NAMES))

    def test_a_table_has_one_line_for_each_name_and_carries_no_control_characters(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        done = harness.run_binary("check", f"--config.file={self.config_file}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout.count(KEY), len(NAMES))
        self.assertTrue(all(line.isprintable() for line in done.stdout.splitlines()))
        for shown in SHOWN.values():
            self.assertIn(shown, done.stdout)

    def test_a_policy_matches_bytes_that_are_no_utf8(self):
        self.WANTED = {"^..? invalid": {KEY: WANT}}
        self.configure(config(policy("binary", "^..? invalid", {KEY: WANT})))
        daemon = self.start()
        self.assert_governs_all_and_nothing_else(daemon, [b"\xff\xfe invalid"], unmatched=len(NAMES) - 1)
        self.assertEqual(get("plain", KEY), "7200")


if __name__ == "__main__":
    harness.main()
