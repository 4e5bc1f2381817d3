# SPDX-License-Identifier: Apache-2.0
"""The commands that end by themselves: check, apply, explain, config check; their reports and exit codes."""

import json
import os
import re
import subprocess

import harness
from harness import UNPRIVILEGED, add_netns, config, get, policy, put, run_binary

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
READ_ONLY = "net.netfilter.nf_conntrack_max"
WANT = 1234
STATES = ("compliant", "drifted", "missing", "unreadable")


class Commands(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT, OTHER: 33})))

    def run_command(self, *arguments, **options):
        return run_binary(*arguments, f"--config.file={self.config_file}", **options)

    def report(self, *arguments, **options):
        """Exit status and JSON report; checks the report's totals against its findings and the status."""
        done = self.run_command(*arguments, "--output=json", "--all", **options)
        report = json.loads(done.stdout)
        totals, findings = report["totals"], report["findings"]
        self.assertEqual(report["schema"], 1)
        self.assertEqual(totals["settings"], sum(totals[state] for state in STATES))
        self.assertEqual(totals["settings"], len(findings))
        for state in STATES:
            self.assertEqual(totals[state], sum(finding["state"] == state for finding in findings))
        self.assertEqual(totals["netns"], len({finding["netns"] for finding in findings}))
        self.assertEqual(report["compliant"], done.returncode == 0)
        if totals["drifted"] + totals["missing"]:
            self.assertEqual(done.returncode, 1)
        return done.returncode, report

    def test_check_of_a_host_without_netns_is_0(self):
        status, report = self.report("check")
        self.assertEqual((status, report["totals"]["netns"], report["findings"]), (0, 0, []))

    def test_check_finds_drift_and_repairs_nothing(self):
        add_netns("router-1")
        add_netns("other-1")
        put("router-1", OTHER, 33)
        status, report = self.report("check")
        self.assertEqual(status, 1)
        self.assertEqual(report["totals"], {"netns": 1, "settings": 2, "compliant": 1, "drifted": 1, "missing": 0, "unreadable": 0,
                                            "fixed": 0, "failed": 0})
        drifted = [finding for finding in report["findings"] if finding["state"] == "drifted"][0]
        for field, value in {"netns": "router-1", "policy": "routers", "key": KEY, "want": str(WANT), "have": "7200"}.items():
            self.assertEqual(drifted[field], value)
        self.assertEqual(get("router-1", KEY), "7200")

    def test_findings_hold_only_what_is_not_compliant_unless_all_are_asked_for(self):
        add_netns("router-1")
        put("router-1", OTHER, 33)
        done = self.run_command("check", "--output=json")
        self.assertEqual([finding["key"] for finding in json.loads(done.stdout)["findings"]], [KEY])

    def test_the_table_names_netns_key_want_and_have_and_is_plain_when_no_terminal_reads_it(self):
        add_netns("router-1")
        done = self.run_command("check")
        self.assertEqual(done.returncode, 1)
        line = [line for line in done.stdout.splitlines() if KEY in line]
        self.assertEqual(len(line), 1)
        for word in ("router-1", str(WANT), "7200", "drifted"):
            self.assertIn(word, line[0])
        self.assertNotIn("\x1b", done.stdout + done.stderr)

    def test_check_takes_names_and_then_looks_only_at_those(self):
        for name in ("router-1", "router-2", "router-3"):
            add_netns(name)
        _, report = self.report("check", "router-1", "router-3")
        self.assertEqual({finding["netns"] for finding in report["findings"]}, {"router-1", "router-3"})

    def test_a_named_netns_that_does_not_exist_is_no_success(self):
        done = self.run_command("check", "router-absent")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("router-absent", done.stderr)

    def test_a_missing_key_is_1_and_said(self):
        self.configure(config(policy("routers", "^router-", {"net.ipv4.no_such_key": 1})))
        add_netns("router-1")
        status, report = self.report("check")
        self.assertEqual((status, report["totals"]["missing"]), (1, 1))

    def test_without_privilege_it_is_3(self):
        add_netns("router-1")
        for command in ("check", "apply"):
            done = self.run_command(command, prefix=UNPRIVILEGED)
            self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
            self.assertIn("CAP_SYS_ADMIN", done.stdout + done.stderr)

    def test_usage_and_configuration_errors_are_2(self):
        for arguments in (["check", "--no-such-flag"], ["no-such-command"], [], ["check", "--output=xml"], ["explain"], ["config"]):
            with self.subTest(arguments):
                self.assertEqual(run_binary(*arguments).returncode, 2)
        for arguments, meant in ((["chek"], "check"), (["config", "evnts"], "events"), (["run", "--adit"], "--audit")):
            self.assertIn(f"did you mean {meant}?", run_binary(*arguments).stderr)
        self.configure("nonsense: 1\n")
        for command in ("check", "apply"):
            done = self.run_command(command)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(f"{self.config_file}:1:1: ", done.stderr)

    def test_apply_repairs_and_is_judged_after_the_repair(self):
        add_netns("router-1")
        add_netns("router-2")
        put("router-2", KEY, WANT)
        status, report = self.report("apply")
        self.assertEqual((status, report["totals"]["fixed"], report["totals"]["failed"]), (0, 3, 0))
        for name in ("router-1", "router-2"):
            self.assertEqual((get(name, KEY), get(name, OTHER)), (str(WANT), "33"))
        status, report = self.report("apply")
        self.assertEqual((status, report["totals"]["fixed"]), (0, 0))

    def test_apply_that_cannot_repair_all_is_1_and_repairs_the_rest(self):
        self.configure(config(policy("routers", "^router-", {READ_ONLY: 77777, KEY: WANT}, allow_global=True)))
        add_netns("router-1")
        status, report = self.report("apply")
        self.assertEqual((status, report["totals"]["fixed"], report["totals"]["failed"]), (1, 1, 1))
        self.assertEqual(get("router-1", KEY), str(WANT))

    def test_a_dry_run_writes_nothing(self):
        add_netns("router-1")
        status, report = self.report("apply", "--dry-run")
        self.assertEqual((status, report["totals"]["drifted"], report["totals"]["fixed"]), (1, 2, 0))
        self.assertEqual(get("router-1", KEY), "7200")

    def test_apply_respects_audit(self):
        add_netns("router-1")
        status, _ = self.report("apply", "--audit")
        self.assertEqual((status, get("router-1", KEY)), (1, "7200"))
        self.configure(config(policy("routers", "^router-", {KEY: WANT}), mode="audit"))
        status, _ = self.report("apply")
        self.assertEqual((status, get("router-1", KEY)), (1, "7200"))

    def test_apply_works_beside_a_daemon(self):
        add_netns("router-1")
        daemon = self.start("--audit")
        status, _ = self.report("apply")
        self.assertEqual((status, get("router-1", KEY)), (0, str(WANT)))
        daemon.wait_metrics(lambda metrics: metrics.sum("drifted_sysctls") == 0, "the daemon sees it")

    def test_the_report_goes_to_stdout_alone_and_is_all_there(self):
        add_netns("router-1")
        done = self.run_command("check", "--output=json")
        json.loads(done.stdout)
        self.assertTrue(done.stdout.endswith("\n"))

    def test_a_full_disk_is_no_success(self):
        add_netns("router-1")
        put("router-1", KEY, WANT)
        put("router-1", OTHER, 33)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([harness.BINARY, "check", f"--config.file={self.config_file}"], stdout=full,
                                  stderr=subprocess.DEVNULL, check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_explain_needs_no_netns_and_names_policy_value_file_and_line(self):
        done = self.run_command("explain", "router-77")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("routers", KEY, str(WANT), OTHER, "33", f"{self.config_file}:6"):
            self.assertIn(word, done.stdout)
        done = self.run_command("explain", "router-77", OTHER)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(OTHER, done.stdout)
        self.assertNotIn(KEY, done.stdout)

    def test_explain_of_a_name_that_no_policy_matches_says_so(self):
        done = self.run_command("explain", "other-1")
        self.assertEqual(done.returncode, 0)
        self.assertIn("no policy", done.stdout.lower())

    def test_explain_shows_both_sides_of_a_conflict(self):
        self.configure(config(policy("first", "^router-", {KEY: 1111}), policy("second", ".*-1$", {KEY: WANT})))
        shown = self.run_command("explain", "router-1").stdout
        for word in ("first", "second", "1111", str(WANT), f"{self.config_file}:6", f"{self.config_file}:10"):
            self.assertIn(word, shown)

    def test_config_check_of_a_good_file_is_0(self):
        done = run_binary("config", "check", self.config_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.run_command("config", "check").returncode, 0)

    def test_config_check_tells_every_mistake_with_its_place(self):
        self.configure("version: 1\n"
                       "reconcile_intervall: 10s\n"
                       "policies:\n"
                       "  - name: a\n"
                       "    netns: ^(?=router)\n"
                       "    sysctls:\n"
                       "      net.ipv4.ip_forward: 010\n"
                       "      net/ipv4/../../kernel/core_pattern: 1\n"
                       "      net.ipv4.ip_forward: 1\n"
                       "  - name: b\n"
                       "    netns: x\n"
                       "    sysctl: {}\n")
        done = run_binary("config", "check", self.config_file)
        self.assertEqual(done.returncode, 2)
        said = done.stdout + done.stderr
        places = re.findall(re.escape(self.config_file) + r":(\d+):\d+: \S", said)
        self.assertEqual(sorted({int(line) for line in places} & {2, 5, 7, 8, 9, 12}), [2, 5, 7, 8, 9, 12], said)
        self.assertIn("reconcile_interval", said)
        self.assertIn("sysctls", said)

    def test_config_check_of_an_absent_file_is_2(self):
        path = os.path.join(self.directory, "absent.yaml")
        done = run_binary("config", "check", path)
        self.assertEqual(done.returncode, 2)
        self.assertIn(path, done.stdout + done.stderr)

    def test_a_complaint_names_the_command_whose_help_tells_more(self):
        for arguments, said in (
                ([], "missing command, expected run, check"),
                (["config"], "missing command, expected check, convert, schema or events; see nswarden config --help"),
                (["nonsense"], "unknown command nonsense; see nswarden --help"), (["config", "it"], "unknown command it; see nswarden config --help"),
                (["run", "it"], "unexpected argument it; see nswarden run --help"), (["config", "convert"], "see nswarden config convert --help"),
                (["--audit", "run"], "unexpected argument --audit at this position; see nswarden run --help"),
                (["run", "--log.level=loud"], "see nswarden run --help")):
            done = run_binary(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(said, done.stderr)

    def test_config_check_takes_one_file_and_no_second_one_by_its_flag(self):
        """The second directory would never be scanned."""
        flag = f"--config.file={self.config_file}"
        for arguments in (["config", "check", flag, self.config_file], [flag, "config", "check", self.config_file]):
            done = run_binary(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("FILE excludes --config.file", done.stderr)

    def test_help_and_version_are_0(self):
        for arguments in (["--help"], ["--version"], ["run", "--help"], ["check", "--help"], ["config", "check", "--help"]):
            done = run_binary(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            self.assertTrue(done.stdout)
        for flag in ("--config.file", "--web.listen-address", "--netns.dir", "--reconcile.interval", "--audit", "--log.level",
                     "--log.format", "--web.telemetry-path", "--web.enable-lifecycle"):
            self.assertIn(flag, run_binary("run", "--help").stdout)


if __name__ == "__main__":
    harness.main()
