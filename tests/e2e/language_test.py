# SPDX-License-Identifier: Apache-2.0
"""The policy language in the daemon and in the reports: conditions, optional settings, normalised values, contradictory
settings, values that are only shown."""

import harness
import language
import witness
from harness import add_netns, config, get, put, wait_until
from language import KEY, OTHER, OTHER_WAS, WAS, policy

ABSENT = "net.ipv4.no_such_key"
CONGESTION = "net.ipv4.tcp_congestion_control"


class Conditions(language.LanguageCase):
    # Conditions on a value of 7200: those that hold, and those that fail.
    HOLDS = [{"min": 7200}, {"max": 7200}, {"between": [7200, 7300]}, {"between": [7100, 7200]}, {"one_of": [1, 7200]},
             {"not": 7201}, {"regex": "7[0-9]{3}"}, {"value": 7200}, {"min": -1}]
    FAILS = [{"min": 7201}, {"max": 7199}, {"between": [7201, 7300]}, {"between": [1, 7199]}, {"one_of": [1, 720]},
             {"not": 7200}, {"regex": "720"}, {"value": 72000}]

    def setUp(self):
        super().setUp()
        add_netns("r1")

    def test_each_is_judged_on_both_sides_of_its_bound(self):
        for state, conditions in (("compliant", self.HOLDS), ("drifted", self.FAILS)):
            for condition in conditions:
                with self.subTest(str(condition)):
                    self.assertEqual(self.states(policy({KEY: condition})), {KEY: state})

    def test_without_set_they_are_only_audited(self):
        conditions = [condition for condition in self.FAILS if "value" not in condition]
        for condition in conditions:
            with self.subTest(str(condition)):
                self.assertEqual(self.check(policy({KEY: condition}), command="apply", code=1)[KEY]["state"], "drifted")
                self.assertEqual(get("r1", KEY), WAS)

    def test_with_set_that_is_written_where_they_do_not_hold(self):
        taken = {"min": 8000, "max": 60, "between": 7250, "one_of": 1, "not": 5, "regex": 720}
        for condition in self.FAILS:
            name = next(iter(condition))
            if name == "value" or condition == {"between": [1, 7199]}:
                continue
            with self.subTest(str(condition)):
                put("r1", KEY, WAS)
                self.check(policy({KEY: {**condition, "set": taken[name]}}), command="apply", code=0)
                self.assertEqual(get("r1", KEY), str(taken[name]))

    def test_with_set_nothing_is_written_where_they_hold(self):
        conditions = {KEY: {"min": 600, "set": 900}, CONGESTION: {"regex": "[a-z]+", "set": "reno"}}
        self.check(policy(conditions), command="apply", code=0)
        self.assertEqual(get("r1", KEY), WAS)

    def test_the_daemon_repairs_what_leaves_its_bounds_and_lets_be_what_moves_within(self):
        daemon = self.start_with(policy({KEY: {"min": 600, "set": 900}, OTHER: {"between": [10, 20], "set": 15}}))
        self.wait_value("r1", OTHER, 15)
        self.assertEqual(get("r1", KEY), WAS)
        put("r1", KEY, 599)
        self.wait_value("r1", KEY, 900)
        put("r1", KEY, 600)
        put("r1", OTHER, 20)
        metrics = daemon.wait_sweeps(3)
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), ("600", "20"))
        self.assertEqual(metrics.sum("drifted_sysctls"), 0)

    def test_the_report_says_what_is_wanted_and_why(self):
        found = self.check(policy({KEY: {"min": 9000, "note": 'RFC 1122, "4.2.3.6"'}, OTHER: {"one_of": [0, 2]},
                                   CONGESTION: {"regex": "^vegas"}}), code=1)
        self.assertEqual({key: finding["want"] for key, finding in found.items()},
                         {KEY: ">= 9000", OTHER: "one of 0, 2", CONGESTION: "matches ^vegas"})
        self.assertEqual((found[KEY]["note"], found[KEY]["have"], found[KEY]["reason"]), ('RFC 1122, "4.2.3.6"', WAS, "value"))
        self.assertNotIn("note", found[OTHER])

    def test_a_setting_may_have_a_mode_of_its_own(self):
        audited = {"value": 100, "mode": "audit"}
        daemon = self.start_with(policy({KEY: audited, OTHER: 30}))
        self.wait_value("r1", OTHER, 30)
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WAS)
        self.configure(config(policy({KEY: audited, OTHER: {"value": 40, "mode": "enforce"}}, mode="audit")))
        self.wait_value("r1", OTHER, 40)
        metrics = daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WAS)
        self.assertEqual(metrics.labels("sysctl_drift", "sysctl"), [KEY])


class Absence(language.LanguageCase):
    def setUp(self):
        super().setUp()
        add_netns("r1")

    def test_an_optional_key_that_does_not_exist_is_compliant_and_another_is_missing(self):
        for key, setting in ((f"-{ABSENT}", 1), (ABSENT, {"value": 1, "optional": True})):
            self.assertEqual(self.check(policy({key: setting, KEY: WAS}), code=0)[ABSENT]["have"], None)
        self.assertEqual(self.states(policy({ABSENT: 1, KEY: WAS})), {ABSENT: "missing", KEY: "compliant"})

    def test_an_optional_key_is_governed_from_when_it_exists(self):
        key = "net.ipv4.conf.eth0.rp_filter"
        daemon = self.start_with(policy({"-" + key: 2}))
        metrics = daemon.wait_sweeps()
        self.assertEqual((metrics.sum("managed_sysctls"), metrics.sum("drifted_sysctls")), (1, 0))
        for _ in range(2):
            harness.run_inside("r1", "ip", "link", "add", "eth0", "type", "bridge")
            self.wait_value("r1", key, 2)
            harness.run_inside("r1", "ip", "link", "del", "eth0")
            self.assertEqual(daemon.wait_sweeps().sum("drifted_sysctls"), 0)

    def test_what_is_excluded_from_a_glob_is_left_alone(self):
        found = self.states(policy({"net.ipv4.tcp_keepalive_*": 9, f"-{OTHER}": None}))
        self.assertEqual(set(found), {KEY, "net.ipv4.tcp_keepalive_probes"})
        self.check(policy({"net.ipv4.tcp_keepalive_*": 9, f"-{OTHER}": None}), command="apply", code=0)
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), ("9", OTHER_WAS))


class Meaning(language.LanguageCase):
    def setUp(self):
        super().setUp()
        add_netns("r1")

    def test_what_the_kernel_prints_otherwise_is_the_same_value_and_written_once(self):
        sysctls = {"net.ipv4.ip_local_reserved_ports": "8080,8081,8082,22", "net.ipv4.tcp_rmem": "4096 87380  6291456",
                   "net.ipv4.icmp_ratelimit": 1, "net.ipv4.tcp_available_congestion_control": {"regex": ".*reno.*"}}
        put("r1", "net.ipv4.tcp_rmem", "4096\t100000\t6291456")
        daemon = self.start_with(policy(sysctls))
        self.wait_value("r1", "net.ipv4.ip_local_reserved_ports", "22,8080-8082")
        self.wait_value("r1", "net.ipv4.tcp_rmem", "4096 87380 6291456")
        self.assertNotEqual(get("r1", "net.ipv4.icmp_ratelimit"), "1")
        metrics = daemon.wait_sweeps(5)
        self.assertEqual((metrics.sum("managed_sysctls"), metrics.sum("drifted_sysctls")), (4, 0))
        self.assertEqual(metrics.sum("actions_total", action="write", result="success"), 3)
        self.assertEqual(metrics.sum("action_failures_total"), 0)

    def test_another_set_of_ports_is_drift(self):
        daemon = self.start_with(policy({"net.ipv4.ip_local_reserved_ports": "8080-8082"}))
        self.wait_value("r1", "net.ipv4.ip_local_reserved_ports", "8080-8082")
        put("r1", "net.ipv4.ip_local_reserved_ports", "8080-8081")
        self.wait_value("r1", "net.ipv4.ip_local_reserved_ports", "8080-8082")
        self.assertEqual(daemon.wait_sweeps().sum("drifted_sysctls"), 0)


class Contradictions(witness.Case):
    FORWARD, ALL = "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"  # two names of one value
    WANTED = {"^r": {FORWARD: 1, ALL: 0}}

    def test_two_settings_that_undo_each_other_are_told_once_and_not_fought_over(self):
        self.witness.add_netns("r1")
        self.configure(config(policy({self.FORWARD: 1, self.ALL: 0, KEY: 100})))
        daemon = self.start(interval="100ms")
        logged_contradictions = lambda: [line for line in list(daemon.lines) if "contradict each other" in line.get("msg", "")]
        wait_until(logged_contradictions, lambda: f"a line; the log:\n{daemon.log()}")
        self.wait_value("r1", KEY, 100)
        daemon.wait_sweeps(3)
        written = lambda: sum(hit.what == "write" and hit.key in (self.FORWARD, self.ALL)
                              for hit in self.witness.hits(daemon.process.pid))
        before = written()
        metrics = daemon.wait_sweeps(20)
        self.assertEqual(written(), before)
        print(f"two settings that contradict each other were written {before} times in all", flush=True)
        self.assertIn(before, range(1, 7))
        self.assertLessEqual(metrics.sum("actions_total", action="write"), 7)
        self.assertEqual(metrics.sum("drifted_sysctls"), 1)
        self.assertEqual(len(logged_contradictions()), 1, logged_contradictions())
        self.assertEqual({logged_contradictions()[0]["key"], logged_contradictions()[0]["other"]}, {self.FORWARD, self.ALL})


class Observing(language.LanguageCase):
    COUNT = "net.netfilter.nf_conntrack_count"

    def values(self, metrics):
        return {tuple(dict(labels)[name] for name in ("netns", "sysctl", "index")): value
                for labels, value in metrics.all("sysctl_value").items()}

    def test_what_is_observed_is_exported_kept_up_to_date_and_never_written_or_counted(self):
        add_netns("r1")
        daemon = self.start_with(policy({}, observe=[self.COUNT, KEY, "net.ipv4.tcp_rmem", CONGESTION, ABSENT]))
        metrics = daemon.wait_metrics(lambda m: m.all("sysctl_value"), "values")
        values = self.values(metrics)
        self.assertEqual(values.pop(("r1", "net.ipv4.tcp_rmem", "1")), float(get("r1", "net.ipv4.tcp_rmem").split()[1]))
        self.assertEqual(set(values), {("r1", self.COUNT, "0"), ("r1", KEY, "0"), ("r1", "net.ipv4.tcp_rmem", "0"),
                                       ("r1", "net.ipv4.tcp_rmem", "2")})
        self.assertEqual(values["r1", KEY, "0"], 7200)
        put("r1", KEY, 5)
        metrics = daemon.wait_metrics(lambda m: self.values(m)["r1", KEY, "0"] == 5, "the new value")
        for name in ("managed_sysctls", "drifted_sysctls", "actions_total", "sysctl_drift", "sysctl_value_hidden"):
            self.assertEqual(metrics.sum(name), 0, name)
        self.assertEqual(get("r1", KEY), "5")
        harness.delete_netns("r1")
        daemon.wait_metrics(lambda m: not m.all("sysctl_value"), "no values of the dead")

    def test_series_are_capped_and_what_has_none_is_counted(self):
        for number in range(8):
            add_netns(f"r{number}")
        daemon = self.start_with(policy({KEY: WAS}, observe=[KEY, OTHER]), arguments=["--metrics.series-limit=5"])
        metrics = daemon.wait_metrics(lambda m: m.sum("sysctl_value_hidden") == 11, "16 values, 5 series")
        self.assertEqual(len(metrics.all("sysctl_value")), 5)
        self.assertEqual((metrics.sum("managed_sysctls"), metrics.sum("drifted_sysctls")), (8, 0))

    def test_each_number_of_a_value_counts_as_a_series(self):
        for number in range(4):
            add_netns(f"r{number}")
        daemon = self.start_with(policy({}, observe=["net.ipv4.tcp_rmem"]), arguments=["--metrics.series-limit=7"])
        metrics = daemon.wait_metrics(lambda m: m.sum("sysctl_value_hidden") > 0, "some are hidden")
        self.assertIn(len(metrics.all("sysctl_value")), range(1, 8))

    def test_values_are_at_most_15_seconds_old_however_seldom_sweeps_are(self):
        add_netns("r1")
        own = self.own_procfs()
        daemon = self.start_with(policy({}, observe=[KEY]), interval="1h")
        daemon.wait_metrics(lambda m: self.values(m).get(("r1", KEY, "0")) == 7200, "a value")
        harness.inside("r1", lambda: harness.write_at(own, KEY, 5))  # without an event
        wait_until(lambda: self.values(daemon.scrape())["r1", KEY, "0"] == 5, "the new value", deadline=15)


if __name__ == "__main__":
    harness.main()
