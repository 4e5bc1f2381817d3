# SPDX-License-Identifier: Apache-2.0
"""The netns that a policy applies to: by pattern, the host's own, those of processes, those of links."""

import json
import os
import subprocess

import harness
import language
from harness import add_netns, config, get, path_of, run_binary, wait_until
from language import KEY, OTHER, WAS, policy


class Whose(language.LanguageCase):
    def governed(self, daemon):
        return sorted(line["netns"] for line in list(daemon.lines) if line.get("msg") == "netns governed")

    def in_new_netns(self, count=1):
        """Processes in a netns without a name, and its inode number. Created without a fork: the killed processes are those
        inside."""
        first = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
        netns_of = lambda pid: os.stat(f"/proc/{pid}/ns/net").st_ino
        wait_until(lambda: netns_of(first.pid) != netns_of("self"), "a process in another netns")
        inode = netns_of(first.pid)
        more = [subprocess.Popen(["nsenter", f"--net=/proc/{first.pid}/ns/net", "sleep", "1000"]) for _ in range(count - 1)]
        for process in (first, *more):
            self.addCleanup(self.end, process)
            wait_until(lambda process=process: netns_of(process.pid) == inode, "a process there")
        return [first, *more], inode

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    @staticmethod
    def value_of(process):
        return subprocess.run(["nsenter", f"--net=/proc/{process.pid}/ns/net", "cat", harness.key_path(KEY)], check=True,
                              capture_output=True, encoding="ascii").stdout.strip()

    def test_a_list_of_patterns_takes_what_any_of_them_takes_and_exclude_takes_out_of_it(self):
        for name in ("router-1", "router-old-1", "snat-1", "other-1", "xrouter"):
            add_netns(name)
        daemon = self.start_with(policy({KEY: 100}, netns=["^router-", "snat"], exclude=["router-old", "^y"]))
        self.assertEqual(self.governed(daemon), ["router-1", "snat-1"])
        self.assertEqual(daemon.wait_sweeps().sum("netns_unmatched"), 3)
        values = [get(name, KEY) for name in ("router-1", "snat-1", "router-old-1", "xrouter")]
        self.assertEqual(values, ["100", "100", WAS, WAS])

    def test_the_hosts_own_netns_is_governed_only_where_a_policy_says_so(self):
        add_netns("r1")
        harness.place_file("r-home")
        harness.mount("/proc/self/ns/net", path_of("r-home"), b"none", harness.MS_BIND)
        was = harness.read_here(KEY)
        self.addCleanup(harness.write_here, KEY, was)
        daemon = self.start_with(policy({KEY: 100}, netns=".*"))
        daemon.wait_sweeps(3)
        self.assertEqual((harness.read_here(KEY), get("r1", KEY)), (was, "100"))
        refused = daemon.wait_log(lambda line: "name refers to the host netns" in line.get("msg", ""), "a refusal")
        self.assertEqual(refused["netns"], "r-home")
        self.configure(config(policy({KEY: 200}, netns=None, name="host", host=True)))
        wait_until(lambda: harness.read_here(KEY) == "200", "the host's is governed")
        self.assertEqual((get("r1", KEY), daemon.wait_sweeps().sum("netns", policy="host")), ("100", 1))
        harness.write_here(KEY, 5)
        wait_until(lambda: harness.read_here(KEY) == "200", "and repaired")
        self.assertIn("host", {line.get("netns") for line in daemon.lines if line.get("msg") == "sysctl repaired"})
        self.configure(config(policy({KEY: 300}, netns=".*")))
        self.wait_value("r1", KEY, 300)
        harness.write_here(KEY, 5)
        daemon.wait_sweeps(3)
        self.assertEqual(harness.read_here(KEY), "5")

    def test_netns_of_processes_are_governed_only_where_a_policy_says_so(self):
        (process,), inode = self.in_new_netns()
        daemon = self.start_with(policy({KEY: 100}, netns=".*"))
        metrics = daemon.wait_sweeps(3)
        self.assertEqual((self.value_of(process), metrics.sum("managed_sysctls")), (WAS, 0))
        self.configure(config(policy({KEY: 100}, netns=".*", discover="processes")))
        wait_until(lambda: self.value_of(process) == "100", "governed")
        self.assertEqual(self.governed(daemon), [f"net:[{inode}]"])

    def test_a_netns_of_many_processes_counts_once_has_a_label_and_goes_with_the_last_of_them(self):
        processes, inode = self.in_new_netns(3)
        daemon = self.start_with(policy({KEY: {"value": 100, "mode": "audit"}, OTHER: 30}, netns=".*", discover="processes"))
        label = f"net:[{inode}]"
        metrics = daemon.wait_metrics(lambda m: m.sum("netns") == 1, "it is governed")
        self.assertEqual((metrics.labels("sysctl_drift", "netns"), metrics.sum("managed_sysctls")), ([label], 2))
        for process in processes[:2]:
            self.end(process)
        metrics = daemon.wait_sweeps(3)
        self.assertEqual((metrics.labels("sysctl_drift", "netns"), metrics.sum("netns")), ([label], 1))
        self.end(processes[2])
        metrics = daemon.wait_metrics(lambda m: m.sum("netns") == 0, "it is gone with its last process")
        self.assertEqual((metrics.all("sysctl_drift"), metrics.sum("managed_sysctls")), ({}, 0))
        self.assertEqual(self.governed(daemon), [label])

    def test_a_netns_that_has_a_name_is_known_by_it_alone_and_a_pattern_can_mean_those_without(self):
        add_netns("r1")
        named = subprocess.Popen(["nsenter", "--net=/run/netns/r1", "sleep", "1000"])
        self.addCleanup(self.end, named)
        (process,), inode = self.in_new_netns()
        daemon = self.start_with(policy({KEY: 100}, netns=".*", discover="processes"))
        self.assertEqual(self.governed(daemon), [f"net:[{inode}]", "r1"])
        self.assertEqual(daemon.wait_sweeps().sum("netns"), 2)
        self.configure(config(policy({KEY: 200}, netns=r"net:\[", discover="processes")))
        wait_until(lambda: self.value_of(process) == "200", "those without a name")
        daemon.wait_sweeps()
        self.assertEqual(get("r1", KEY), "100")

    def test_names_that_look_like_the_labels_of_others_are_shown_apart(self):
        _, inode = self.in_new_netns()
        names = ["host", f"net:[{inode}]"]
        for name in names:
            add_netns(name)
        daemon = self.start_with(policy({KEY: {"value": 100, "mode": "audit"}}, netns=".*", discover="processes", host=True))
        metrics = daemon.wait_sweeps()  # a duplicate series is an error there
        labels = metrics.labels("sysctl_drift", "netns")
        self.assertEqual(len(labels), 4)
        self.assertEqual(len(set(labels)), 4, labels)

    def test_commands_know_the_netns_of_the_host_and_of_processes_by_their_labels(self):
        _, inode = self.in_new_netns()
        self.configure(config(policy({KEY: 100}, netns="net:", discover="processes", host=True)))
        for label in ("host", f"net:[{inode}]"):
            with self.subTest(label):
                checked = run_binary("check", label, f"--config.file={self.config_file}", "--output=json")
                self.assertEqual((checked.returncode, checked.stderr), (1, ""))
                self.assertEqual([(finding["netns"], finding["have"]) for finding in json.loads(checked.stdout)["findings"]],
                                 [(label, WAS)])
                explained = run_binary("explain", label, f"--config.file={self.config_file}")
                self.assertIn("drifted", explained.stdout)
        self.assertEqual(run_binary("check", "net:[1]", f"--config.file={self.config_file}").returncode, 3)

    def test_links_are_followed_only_where_the_configuration_says_so(self):
        (process,), _ = self.in_new_netns()
        os.makedirs(harness.NETNS_DIR)
        os.symlink(f"/proc/{process.pid}/ns/net", path_of("r-link").decode())
        os.symlink("/proc/self/ns/net", path_of("r-self").decode())
        os.symlink("nowhere", path_of("r-dangling").decode())
        was = harness.read_here(KEY)
        daemon = self.start_with(policy({KEY: 100}))
        metrics = daemon.wait_sweeps(3)
        self.assertEqual((self.value_of(process), metrics.sum("netns")), (WAS, 0))
        daemon.stop()
        daemon = self.start_with(policy({KEY: 100}), top={"follow_links": "true"})
        wait_until(lambda: self.value_of(process) == "100", "governed by its link")
        self.assertEqual(self.governed(daemon), ["r-link"])
        self.assertEqual((daemon.wait_sweeps(3).sum("netns"), harness.read_here(KEY)), (1, was))
        self.end(process)
        daemon.wait_metrics(lambda m: m.sum("netns") == 0, "it is gone with the process that the link leads to")


if __name__ == "__main__":
    harness.main()
