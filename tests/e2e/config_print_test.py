# SPDX-License-Identifier: Apache-2.0
"""The commands that report on a configuration: explain, config check, schema and convert."""

import json
import os

import config_files
import harness
import older_form_test
from config_files import KEY, OTHER, OTHER_WAS, THIRD, WAS, including
from harness import add_netns, config, get, policy, put, run_binary, wait_until


class Telling(config_files.FilesCase):
    def test_explain_shows_where_each_setting_comes_from_what_is_there_and_what_was_overridden(self):
        self.put_file("a.yaml", config(policy("included", "^r", {KEY: 10, OTHER: OTHER_WAS})))
        self.put_file("s.conf", f"\n{KEY} = 20\n")
        self.configure(including("a.yaml", policy("own", "^r1", {THIRD: 9}) + "    sysctl_files: s.conf\n",
                                 policy("last", "^r1$", {KEY: 30}, "audit")))
        found = self.explained()
        self.assertEqual({key: (setting["policy"], setting["have"], setting["state"]) for key, setting in found.items()},
                         {KEY: ("last", WAS, "drifted"), OTHER: ("included", OTHER_WAS, "compliant"),
                          THIRD: ("own", "9", "compliant")})
        self.assertEqual([tuple(lost[field] for field in ("policy", "want", "mode", "conflict", "file", "line"))
                          for lost in found[KEY]["overrides"]],
                         [("included", "10", "enforce", True, self.path("a.yaml"), 6),
                          ("own", "20", "enforce", True, self.path("s.conf"), 2)])
        table = run_binary("explain", "r1", f"--config.file={self.config_file}").stdout.splitlines()
        self.assertEqual(table[1].split(), ["KEY", "WANT", "HAVE", "STATE", "MODE", "POLICY", "WHERE", "OVERRIDES"])
        line = next(line for line in table if line.startswith(KEY))
        self.assertEqual(line.split()[1:7], ["30", WAS, "drifted", "audit", "last", f"{self.config_file}:13"])
        for place in (f"included (10, enforce, {self.path('a.yaml')}:6)", f"own (20, enforce, {self.path('s.conf')}:2)"):
            self.assertIn(place, line)
        absent = self.explained("r-absent")
        self.assertEqual({key: (setting["want"], "state" in setting) for key, setting in absent.items()},
                         {KEY: ("10", False), OTHER: (OTHER_WAS, False)})

    def test_config_check_live_warns_of_what_no_netns_needs(self):
        self.configure(config(policy("routers", "^r", {KEY: 1, "net.ipv4.no_such_key": 1, "-net.ipv4.nor_this": 1}),
                              policy("nobody", "^nobody", {KEY: 1})))
        plain = run_binary("config", "check", self.config_file)
        self.assertEqual((plain.returncode, "warning" in plain.stdout), (0, False))
        live = run_binary("config", "check", "--live", self.config_file)
        self.assertEqual(live.returncode, 0, live.stderr)
        self.assertIn(f"\ncompared with the netns of this host, Linux {os.uname().release}\n", live.stdout)
        self.assertEqual(sorted(line for line in live.stdout.splitlines() if line.startswith("warning")),
                         ["warning: policy nobody matches no existing netns",
                          "warning: policy routers: no matching netns has net.ipv4.no_such_key"])
        self.assertEqual(get("r1", KEY), WAS)
        for written, meant in (("net.ipv4.tcp_keepalive_tmie", KEY), ("net.ipv4.conf.eth0.rp_fliter", "net.ipv4.conf.eth0.rp_filter"),
                               ("net/ipv4/conf/lo/rp_fliter", "net.ipv4.conf.lo.rp_filter")):
            with self.subTest(written):
                self.configure(config(policy("routers", "^r", {written: 1})))
                live = run_binary("config", "check", "--live", self.config_file)
                self.assertIn(f"; did you mean {meant}?\n", live.stdout)
        self.configure(config(policy("routers", "^r", {"net.ipv4.conf.eth0.rp_filter": 1})))  # the interface does not exist
        self.assertTrue(run_binary("config", "check", "--live", self.config_file).stdout.endswith("has net.ipv4.conf.eth0.rp_filter\n"))
        self.configure(config(policy("nobody", "^nobody", {KEY: 1})))
        add_netns("nobody-1")
        self.assertNotIn("policy nobody", run_binary("config", "check", "--live", self.config_file).stdout)

    def test_a_setting_that_no_netns_has_is_a_warning_of_the_daemon_once(self):
        mistyped = KEY.replace("time", "tmie")
        daemon = self.start_with(config(policy("routers", "^r", {KEY: 1, "net.ipv4.no_such_key": 1, mistyped: 1})), interval="200ms")
        daemon.wait_sweeps(4)
        told = [line for line in daemon.lines if line.get("msg") == "sysctl not found in any netns"]
        self.assertEqual([(line["level"], line["policy"], line["key"], line.get("remedy")) for line in told],
                         [("warn", "routers", "net.ipv4.no_such_key", None), ("warn", "routers", mistyped, f"did you mean {KEY}?")])

    def test_typical_mistakes_are_told_with_their_place_and_what_was_meant(self):
        good = config(policy("routers", "^r", {KEY: 1}))
        for text, place, hint in (
                (good.replace("sysctls", "sysclts"), "5:5", 'did you mean "sysctls"?'),
                (good.replace("    netns", "   netns"), "4:4", "check indentation"),
                (good.replace(f"{KEY}: 1", f"{KEY}: {{mni: 4}}"), f"6:{len(KEY) + 10}", 'did you mean "min"?')):
            with self.subTest(hint):
                self.configure(text)
                lines = self.refused()
                self.assertTrue(lines[0].startswith(f"nswarden.yaml:{place}: "), lines)
                self.assertIn(hint, lines[0])

    def test_config_schema_is_json_that_describes_what_is_read(self):
        done = run_binary("config", "schema")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        schema = json.loads(done.stdout)
        self.assertIn("json-schema.org", schema["$schema"])
        self.assertLessEqual({"version", "include", "policies", "follow_links"}, set(schema["properties"]))


class Converting(config_files.FilesCase):
    KEYS = [older_form_test.LIBERAL, "net.netfilter.nf_conntrack_tcp_loose"]

    def govern(self, text):
        """The state of existing and of later netns, and the commands that ran in them."""
        for name in ("qrouter-old", "other-old"):
            add_netns(name)
            put(name, self.KEYS[1], 0)
        self.configure(text)
        daemon = self.start()
        self.wait_value("qrouter-old", self.KEYS[1], 1)
        for name in ("qrouter-new", "other-new"):
            add_netns(name)
        self.wait_value("qrouter-new", self.KEYS[0], 1)
        harness.delete_netns("r1")
        self.ran = lambda: sorted({(line["netns"], line["event"], line["command"]) for line in list(daemon.lines)
                                   if line.get("msg") == "command done" and line["policy"] == "rule-2"})
        wait_until(lambda: len(self.ran()) >= 6, lambda: f"commands for all: {self.ran()}")
        daemon.wait_metrics(lambda m: m.sum("commands_queued") + m.sum("commands_running") == 0, "nothing waits")
        names = ("qrouter-old", "other-old", "qrouter-new", "other-new")
        values = {name: [get(name, key) for key in self.KEYS] for name in names}
        managed = daemon.wait_sweeps().sum("managed_sysctls")
        daemon.stop()
        for name in names:
            harness.delete_netns(name)
        add_netns("r1")
        return values, self.ran(), managed

    def test_the_older_form_and_what_it_is_converted_to_govern_alike(self):
        self.configure(older_form_test.EXAMPLE)
        converted = run_binary("config", "convert", self.config_file)
        self.assertEqual((converted.returncode, converted.stderr), (0, ""))
        self.assertIn("4 commands converted to settings, 0 kept", converted.stdout)
        self.assertNotIn("ip netns exec", converted.stdout)
        self.configure(converted.stdout, self.path("converted.yaml"))
        checked = run_binary("config", "check", self.path("converted.yaml"))
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        values, commands, managed = self.govern(older_form_test.EXAMPLE)
        self.assertEqual(values, {"qrouter-old": ["1", "1"], "qrouter-new": ["1", "1"], "other-old": ["0", "0"],
                                  "other-new": ["0", "1"]})
        self.assertEqual([(netns, event) for netns, event, _ in commands],
                         [("other-new", "IN_CREATE"), ("other-old", "startup"), ("qrouter-new", "IN_CREATE"),
                          ("qrouter-old", "startup"), ("r1", "IN_DELETE"), ("r1", "startup")])
        self.assertEqual(managed, 0)
        self.assertEqual(self.govern(converted.stdout), (values, commands, 4))


if __name__ == "__main__":
    harness.main()
