# SPDX-License-Identifier: Apache-2.0
"""Names in the netns directory are bytes that anybody may choose (kernel fact 8)."""

import os
import subprocess

import harness
from harness import add_netns, config, get, policy

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
NAMES = [
    b"plain",
    b"new\nline",
    b"quo\"te'",
    b"back\\slash",
    b"back\\x0aslash",
    b"$(id>forged)",
    b"`id>forged`",
    b"*",
    b"-rf",
    b"--audit",
    b" ",
    b"a b\tc",
    b"\xff\xfe invalid",
    b"\xc3\xa9 valid",
    b"\xe2\x80\xae backwards",
    b"\x1b[31mred",
    b'x"} 1\nnswarden_forged{a="',
    b"{}%s%n",
    b"...",
    b"n" * 255,
]


class HostileNames(harness.Case):
    def setUp(self):
        super().setUp()
        for name in NAMES:
            add_netns(name)

    def test_every_name_is_governed(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        self.start()
        for name in NAMES:
            self.assertEqual(get(name, KEY), str(WANT), name)
        self.assertFalse(os.path.exists("forged"))

    def test_a_scrape_shows_every_name_once_forges_nothing_and_passes_promtool(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT}, "audit")))
        daemon = self.start()
        text = daemon.scrape_text()
        metrics = daemon.scrape()
        self.assertNotIn("nswarden_forged", metrics)
        shown = metrics.labels("sysctl_drift", "netns")
        self.assertEqual(len(shown), len(NAMES))
        self.assertEqual(len(set(shown)), len(NAMES))
        for name in shown:
            self.assertTrue(name.isprintable(), name)
        self.assertIn("plain", shown)
        self.assertIn(r"new\x0aline", shown)
        self.assertIn(r"back\x5cx0aslash", shown)
        self.assertIn(r"\xff\xfe invalid", shown)
        self.assertIn("\u00e9 valid", shown)
        self.assertIn("n" * 255, shown)
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, encoding="utf-8", check=False)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_every_line_of_the_log_is_one_json_object(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        daemon = self.start()
        daemon.wait_sweeps()
        self.assertEqual([line for line in daemon.lines if "not_json" in line], [])

    def test_a_table_has_one_line_for_each_name_and_carries_no_control_characters(self):
        self.configure(config(policy("everything", ".*", {KEY: WANT})))
        done = harness.run_binary("check", f"--config.file={self.config_file}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout.count(KEY), len(NAMES))
        self.assertTrue(all(line.isprintable() for line in done.stdout.splitlines()))

    def test_a_policy_matches_bytes_that_are_no_utf8(self):
        self.configure(config(policy("binary", "^..? invalid", {KEY: WANT})))
        self.start()
        self.assertEqual(get(b"\xff\xfe invalid", KEY), str(WANT))
        self.assertEqual(get("plain", KEY), "7200")


if __name__ == "__main__":
    harness.main()
