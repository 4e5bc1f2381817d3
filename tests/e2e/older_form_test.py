# SPDX-License-Identifier: Apache-2.0
"""The configuration of netns-events loads unchanged and has the documented effect."""

import os
import signal
import subprocess

import harness
from harness import NETNS_DIR, add_netns, config, delete_netns, get, policy, wait_until

EXAMPLE = r"""# $NETNS is set by the daemon.
- netns_regex: ^qrouter-.*
  daemon_startup_actions:
    - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_be_liberal=1
    - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_loose=1
  inotify_actions:
    - IN_CREATE:
        - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_be_liberal=1
        - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_loose=1
# every creation and deletion leaves a line in the log
- netns_regex: .*
  daemon_startup_actions:
    - ": empty command to create a log entry"
  inotify_actions:
    - IN_CREATE:
        - ": empty command to create a log entry"
    - IN_DELETE:
        - ": empty command to create a log entry"
"""
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"


def rule(pattern, startup=(), **events):
    lines = [f"- netns_regex: '{pattern}'", "  daemon_startup_actions:" + ("" if startup else " []")]
    lines += [f"    - {command}" for command in startup]
    lines.append("  inotify_actions:" + ("" if events else " []"))
    for name, commands in events.items():
        lines.append(f"    - {name}:")
        lines += [f"        - {command}" for command in commands]
    return "\n".join(lines) + "\n"


class OlderForm(harness.Case):
    def setUp(self):
        super().setUp()
        self.out = os.path.join(self.directory, "out")

    def written(self):
        """The lines written by commands, in order."""
        if not os.path.exists(self.out):
            return []
        with open(self.out, encoding="utf-8") as file:
            return file.read().splitlines()

    def append(self, word):
        return f'echo "{word} $NSWARDEN_EVENT $NETNS" >> {self.out}'

    def wait_written(self, *lines):
        wait_until(lambda: self.written() == list(lines), lambda: f"told {lines}, not {self.written()}")

    def done(self, daemon):
        return [(line["netns"], line["policy"], line["event"], line["command"]) for line in list(daemon.lines)
                if line.get("msg") == "command done"]

    def test_the_configuration_as_operators_have_it_does_what_it_did(self):
        os.mkdir(NETNS_DIR)
        add_netns("qrouter-old")
        self.configure(EXAMPLE)
        daemon = self.start()
        self.wait_value("qrouter-old", LIBERAL, 1)
        add_netns("qrouter-new")
        self.wait_value("qrouter-new", LIBERAL, 1)
        daemon.wait_metrics(lambda m: m.sum("actions_total", action="command", result="success") == 6, "all commands done")
        delete_netns("qrouter-new")
        daemon.wait_metrics(lambda m: m.sum("actions_total", action="command", result="success") == 7, "and that of the deletion")
        nothing = ": empty command to create a log entry"
        for netns, event in (("qrouter-old", "startup"), ("qrouter-new", "IN_CREATE")):
            ran = [(done[1], done[3].split(" sysctl ")[-1]) for done in self.done(daemon) if done[0] == netns and done[2] == event]
            self.assertEqual(ran, [("rule-1", LIBERAL + "=1"), ("rule-1", "net.netfilter.nf_conntrack_tcp_loose=1"),
                                   ("rule-2", nothing)])
        self.assertEqual(self.done(daemon)[-1], ("qrouter-new", "rule-2", "IN_DELETE", nothing))
        said = [line for line in daemon.lines if "configuration of the older form" in line.get("msg", "")]
        self.assertEqual(len(said), 1)
        self.assertEqual(daemon.scrape().sum("managed_sysctls"), 0)

    def test_a_pattern_is_matched_at_the_start_of_the_name_and_every_rule_that_matches_runs_in_file_order(self):
        os.mkdir(NETNS_DIR)
        self.configure(rule("router", IN_CREATE=[self.append("one"), self.append("two")]) + rule("x", IN_CREATE=[self.append("no")]) +
                       rule(".*-1", IN_CREATE=[self.append("three")]))
        self.start()
        add_netns("router-1")
        self.wait_written("one IN_CREATE router-1", "two IN_CREATE router-1", "three IN_CREATE router-1")
        add_netns("qrouter-1")
        self.wait_written("one IN_CREATE router-1", "two IN_CREATE router-1", "three IN_CREATE router-1", "three IN_CREATE qrouter-1")

    def test_without_the_directory_it_starts_and_serves_what_comes(self):
        self.configure(rule(".*", startup=[self.append("start")], IN_CREATE=[self.append("new")]))
        self.start()
        self.assertFalse(os.path.exists(NETNS_DIR))
        subprocess.run(["ip", "netns", "add", "first"], check=True)
        self.wait_written("new IN_CREATE first")

    def test_one_map_may_hold_several_events_and_a_flag_matches_every_event_that_carries_it(self):
        os.mkdir(NETNS_DIR)
        self.configure(rule("d", IN_ISDIR=[self.append("flag")]) +
                       "- netns_regex: f\n  daemon_startup_actions: []\n  inotify_actions:\n"
                       f"    - IN_MOVED_TO: ['{self.append('to')}']\n      IN_MOVED_FROM: ['{self.append('from')}']\n"
                       f"      IN_MOVE: ['{self.append('any')}']\n")
        self.start()
        os.mkdir(os.path.join(NETNS_DIR, "directory"))
        self.wait_written("flag IN_ISDIR directory")
        harness.place_file("f1")
        os.rename(harness.path_of("f1"), harness.path_of("f2"))
        expected = ["flag IN_ISDIR directory", "any IN_MOVE f1", "any IN_MOVE f2", "from IN_MOVED_FROM f1", "to IN_MOVED_TO f2"]
        wait_until(lambda: sorted(self.written()[1:]) == expected[1:], lambda: str(self.written()))

    def test_opens_of_others_are_events_and_those_of_the_daemon_are_not(self):
        add_netns("router-1")
        harness.place_file("router-2")
        harness.place_file("placeholder")
        events = ("IN_OPEN", "IN_ACCESS", "IN_CLOSE_NOWRITE", "IN_ATTRIB")
        self.configure(rule(".*", **{event: [self.append("saw")] for event in events}))
        daemon = self.start(interval="100ms")
        harness.mount_netns("router-2")
        daemon.wait_metrics(lambda m: m.sum("netns") == 2, "two netns entered")
        daemon.wait_sweeps(10)
        self.assertEqual(self.written(), [])
        with open(harness.path_of("placeholder"), "rb"):
            pass
        wait_until(lambda: sorted(self.written()) == ["saw IN_CLOSE_NOWRITE placeholder", "saw IN_OPEN placeholder"], self.written)

    def test_startup_commands_do_not_run_again_on_a_reload_and_new_events_are_listened_to(self):
        add_netns("router-1")
        self.configure(rule("router", startup=[self.append("one")]))
        daemon = self.start()
        self.wait_written("one startup router-1")
        self.configure(rule("router", startup=[self.append("two")], IN_CREATE=[self.append("new")], IN_ATTRIB=[self.append("attribute")]))
        daemon.wait_metrics(lambda m: m.sum("config_reloads_total", result="success") == 1, "a reload")
        daemon.wait_sweeps()
        harness.place_file("router-file")
        os.chmod(harness.path_of("router-file"), 0o600)
        self.wait_written("one startup router-1", "attribute IN_ATTRIB router-file")
        self.configure(config(policy("native", "router", {LIBERAL: 1})))
        self.wait_value("router-1", LIBERAL, 1)
        self.assertEqual(len(self.written()), 2)

    def test_a_lost_queue_is_an_event_with_an_empty_name(self):
        os.mkdir(NETNS_DIR)
        self.configure(rule(".*", IN_Q_OVERFLOW=[self.append("lost")]) + rule("x", IN_Q_OVERFLOW=[self.append("no")]))
        daemon = self.start()
        daemon.signal(signal.SIGSTOP)
        for _ in range(10000):
            harness.place_file("a")
            os.unlink(harness.path_of("a"))
        daemon.signal(signal.SIGCONT)
        self.wait_written("lost IN_Q_OVERFLOW ")

    def test_the_debug_log_shows_each_event_match_and_decision(self):
        os.mkdir(NETNS_DIR)
        self.configure(rule("router", IN_CREATE=["true"], IN_DELETE=["true"]))
        daemon = self.start()
        add_netns("router-1")
        daemon.wait_metrics(lambda m: m.sum("actions_total", action="command") == 1, "a command")
        delete_netns("router-1")
        daemon.wait_metrics(lambda m: m.sum("actions_total", action="command") == 2, "two commands")
        harness.place_file("other")
        daemon.wait_log(lambda line: line.get("msg") == "no policy matches name" and line["name"] == "other", "the other name")
        about = [line["msg"] for line in daemon.lines if "router-1" in (line.get("netns"), line.get("name"))]
        self.assertEqual(about, ["inotify event received", "netns governed", "commands queued", "command started", "command done",
                                 "inotify event received", "commands queued", "netns gone", "command started", "command done"])

    def test_config_events_lists_the_names_and_config_check_takes_each_of_them(self):
        listed = harness.run_binary("config", "events")
        self.assertEqual(listed.returncode, 0)
        names = [line.split()[0] for line in listed.stdout.splitlines()]
        for name in ("IN_CREATE", "IN_DELETE", "IN_ISDIR", "IN_Q_OVERFLOW", "IN_MOVED_TO"):
            self.assertIn(name, names)
        self.configure(rule(".*", **{name: ["true"] for name in names}))
        checked = harness.run_binary("config", "check", self.config_file)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.assertIn("older form", checked.stdout)

    def test_a_mistake_is_told_with_its_place(self):
        self.configure(rule(".*", IN_CRAETE=["true"]) + "- netns_regex: '(?=x)'\n  inotify_actions: []\n")
        checked = harness.run_binary("config", "check", self.config_file)
        self.assertEqual(checked.returncode, 2)
        lines = checked.stderr.splitlines()
        self.assertEqual(len(lines), 3, lines)
        self.assertTrue(lines[0].startswith(f"{self.config_file}:4:7: "), lines[0])
        self.assertIn('did you mean "IN_CREATE"?', lines[0])
        self.assertIn("rule 2 has no daemon_startup_actions", lines[1])
        self.assertIn("look-around", lines[2])

    def test_check_and_explain_say_what_the_rules_do(self):
        add_netns("qrouter-1")
        self.configure(EXAMPLE)
        checked = harness.run_binary("check", f"--config.file={self.config_file}")
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        explained = harness.run_binary("explain", "qrouter-1", f"--config.file={self.config_file}")
        self.assertEqual(explained.returncode, 0)
        self.assertIn("rule-1, rule-2", explained.stdout)
        self.assertEqual(explained.stdout.count("ip netns exec $NETNS sysctl"), 4)
        self.assertEqual(get("qrouter-1", LIBERAL), "0")


if __name__ == "__main__":
    harness.main()
