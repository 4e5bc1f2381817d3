# SPDX-License-Identifier: Apache-2.0
"""Multi-file configurations: includes, sysctl.d, permitted owners and modes, reactions to changes."""

import os
import signal

import config_files
import harness
from config_files import KEY, OTHER, OTHER_WAS, THIRD, WAS, including
from harness import config, get, policy, run_binary


class Including(config_files.FilesCase):
    def test_policies_of_files_and_folders_come_in_the_order_in_which_they_are_named_and_before_our_own(self):
        self.put_file("one.yaml", config(policy("one", "^r", {KEY: 1, OTHER: 1, THIRD: 1})))
        self.put_file("d/20-b.yaml", config(policy("b", "^r", {KEY: 20, OTHER: 20})))
        self.put_file("d/10-a.yml", config(policy("a", "^r", {KEY: 10, OTHER: 10})))
        self.put_file("d/.hidden.yaml", "not read\n")
        self.put_file("d/README", "not read\n")
        self.start_with(including(["one.yaml", "d"], policy("own", "^r", {KEY: 99})))
        for key, wanted in ((KEY, 99), (OTHER, 20), (THIRD, 1)):
            self.wait_value("r1", key, wanted)
        done = run_binary("explain", "r1", f"--config.file={self.config_file}")
        self.assertIn("r1 is matched by: one, a, b, own\n", done.stdout)

    def test_a_file_may_include_others_by_paths_beside_it(self):
        self.put_file("a/first.yaml", including("../b/second.yaml"))
        self.put_file("b/second.yaml", config(policy("deep", "^r", {KEY: 111})))
        self.start_with(including("a/first.yaml"))
        self.wait_value("r1", KEY, 111)

    def test_circles_are_refused_with_the_place_that_closes_them(self):
        self.put_file("a.yaml", including("b.yaml"))
        self.put_file("b.yaml", "# why\n" + including(["nswarden.yaml"]))
        self.configure(including("a.yaml"))
        lines = self.refused()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("b.yaml:3:11: nswarden.yaml includes itself"), lines)
        self.configure(including(["./nswarden.yaml"]))
        self.assertTrue(self.refused())

    def test_mistakes_of_all_files_are_told_each_in_its_file_and_nothing_is_applied(self):
        self.put_file("a.yaml", config(policy("a", "^r", {KEY: "010"})))
        self.put_file("d/10.conf", f"# fine, as the host's keys are\nvm.swappiness = 1\n{OTHER} = 20\n"
                                   "net/ipv4/../../kernel/core_pattern = |evil\n")
        self.configure(including(["a.yaml", "absent.yaml"],
                                 policy("own", "^r", {KEY: 99}) + "    sysctl_files: d\n", policy("own", "^r", {KEY: 99})))
        lines = self.refused()
        self.assertEqual(sorted(line.split(" ")[0] for line in lines),
                         ["a.yaml:6:36:", "d/10.conf:4:1:", "nswarden.yaml:2:21:", "nswarden.yaml:9:5:"], lines)
        run = run_binary("run", f"--config.file={self.config_file}", "--web.listen-address=127.0.0.1:0")
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn("core_pattern", run.stderr)
        self.assertEqual(get("r1", KEY), WAS)

    def test_an_included_file_has_its_own_mode_and_may_not_speak_for_the_daemon(self):
        self.put_file("audit.yaml", config(policy("audited", "^r", {KEY: 111}), mode="audit"))
        daemon = self.start_with(including("audit.yaml", policy("own", "^r", {OTHER: 22})), interval="200ms")
        self.wait_value("r1", OTHER, 22)
        self.assertEqual(daemon.wait_sweeps().labels("sysctl_drift", "sysctl"), [KEY])
        self.assertEqual(get("r1", KEY), WAS)
        self.put_file("audit.yaml", config(policy("audited", "^r", {KEY: 111}), reconcile_interval="1s"))
        self.assertTrue(self.refused()[0].startswith("audit.yaml:2:1: "), self.refused())


class SysctlFiles(config_files.FilesCase):
    WITH = config(policy("routers", "^r", {THIRD: 3}) + "    sysctl_files: [sysctl.d, extra.conf]\n")

    def test_files_and_folders_in_the_format_of_sysctl_d_are_settings_of_the_policy(self):
        self.put_file("sysctl.d/10-a.conf", f"# first\n; and\n{KEY} = 10\n{OTHER}=10\n{THIRD} = 10\n"
                                            "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n")
        self.put_file("sysctl.d/20-b.conf", f"{OTHER.replace('.', '/')} = 20\n-net.ipv4.no_such_key = 1\n")
        self.put_file("sysctl.d/30-c.yaml", "not read\n")
        self.put_file("extra.conf", "net/ipv4/conf/eth0.100/rp_filter = 1\n")
        for name in ("eth0.100", "eth1"):
            harness.run_inside("r1", "ip", "link", "add", name, "type", "bridge")
        daemon = self.start_with(self.WITH)
        for key, wanted in ((KEY, 10), (OTHER, 20), (THIRD, 3), ("net.ipv4.conf.eth1.rp_filter", 2),
                            ("net.ipv4.conf.lo.rp_filter", 0)):
            self.wait_value("r1", key, wanted)
        daemon.wait_metrics(lambda m: m.sum("managed_sysctls") == 6 and m.sum("drifted_sysctls") == 0, "six are right")
        places = {key: f"{os.path.relpath(setting['file'], self.directory)}:{setting['line']}"
                  for key, setting in self.explained().items()}
        self.assertEqual(places, {KEY: "sysctl.d/10-a.conf:3", OTHER: "sysctl.d/20-b.conf:1", THIRD: "nswarden.yaml:6",
                                  "net.ipv4.conf.eth1.rp_filter": "sysctl.d/10-a.conf:6",
                                  "net.ipv4.conf.eth0/100.rp_filter": "extra.conf:1",
                                  "net.ipv4.no_such_key": "sysctl.d/20-b.conf:2"})

    def test_changes_of_them_are_taken_and_mistakes_in_them_keep_what_is_in_force(self):
        self.put_file("sysctl.d/10.conf", f"{KEY} = 10\n")
        self.put_file("extra.conf", f"{OTHER} = 20\n")
        daemon = self.start_with(self.WITH)
        self.wait_value("r1", OTHER, 20)
        self.put_file("sysctl.d/10.conf", f"{KEY} = 111\n")
        self.wait_value("r1", KEY, 111)
        self.put_file("sysctl.d/20.conf", f"{OTHER} = 22\n")  # extra.conf is created later
        self.put_file("extra.conf", "# nothing\n")
        self.wait_value("r1", OTHER, 22)
        self.put_file("sysctl.d/20.conf", f"{OTHER}\n")
        self.check_old_stays(daemon)
        daemon.wait_log(lambda line: f"{self.path('sysctl.d/20.conf')}:1:1: " in str(line), "the place of the mistake")


class Reloading(config_files.FilesCase):
    """The sweep interval is an hour: only events report changes."""

    FIRST, SECOND = config(policy("included", "^r", {KEY: 111})), config(policy("included", "^r", {KEY: 222}))

    def test_a_change_of_an_included_file_is_taken_however_it_is_written(self):
        self.put_file("a.yaml", self.FIRST)
        self.start_with(including("a.yaml"))
        self.wait_value("r1", KEY, 111)
        self.put_file("a.yaml", self.SECOND)
        self.wait_value("r1", KEY, 222)
        with open(self.path("a.yaml"), "w", encoding="utf-8") as file:
            file.write(self.FIRST)
        self.wait_value("r1", KEY, 111)

    def test_what_is_added_to_an_included_folder_is_taken_and_what_is_removed_goes(self):
        self.put_file("d/10.yaml", self.FIRST)
        daemon = self.start_with(including("d"))
        self.wait_value("r1", KEY, 111)
        self.put_file("d/20.yaml", config(policy("more", "^r", {KEY: 222, OTHER: 22})))
        self.wait_value("r1", KEY, 222)
        self.wait_value("r1", OTHER, 22)
        os.unlink(self.path("d/20.yaml"))
        self.wait_value("r1", KEY, 111)
        daemon.wait_metrics(lambda m: m.labels("managed_sysctls", "policy") == ["included"], "one policy")

    def test_an_included_file_that_is_gone_keeps_what_is_in_force_until_it_is_back(self):
        self.put_file("a.yaml", self.FIRST)
        daemon = self.start_with(including("a.yaml"))
        os.unlink(self.path("a.yaml"))
        self.check_old_stays(daemon)
        daemon.wait_log(lambda line: f"{self.config_file}:2:10: cannot read" in str(line), "where it is included")
        self.put_file("a.yaml", self.SECOND)
        self.wait_value("r1", KEY, 222)
        daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 1, "a good reload")

    def test_an_included_file_with_a_mistake_keeps_what_is_in_force_until_it_is_mended(self):
        self.put_file("a.yaml", self.FIRST)
        daemon = self.start_with(including("a.yaml"))
        self.put_file("a.yaml", self.SECOND.replace("sysctls", "sysctl"))
        self.check_old_stays(daemon)
        daemon.wait_log(lambda line: f"{self.path('a.yaml')}:5:5: " in str(line), "the place of the mistake")
        self.put_file("a.yaml", self.SECOND)
        self.wait_value("r1", KEY, 222)

    def test_a_file_that_is_included_since_a_reload_is_watched_too(self):
        self.put_file("a.yaml", self.FIRST)
        daemon = self.start_with(config(policy("own", "^r", {OTHER: 22})))
        self.configure(including("a.yaml"))
        self.wait_value("r1", KEY, 111)
        self.put_file("a.yaml", self.SECOND)
        self.wait_value("r1", KEY, 222)
        self.configure(config(policy("own", "^r", {OTHER: 22})))
        daemon.wait_metrics(lambda m: m.labels("managed_sysctls", "policy") == ["own"], "it is no longer included")

    def test_a_swapped_link_of_a_config_map_takes_all_files_in_it_at_once(self):
        # As the kubelet does: FILE -> ..data/FILE, ..data -> ..time, and ..data is replaced by a rename.
        for version, value in (("..1", 111), ("..2", 222)):
            self.put_file(f"map/{version}/nswarden.yaml", including("routers.yaml", policy("own", "^r", {OTHER: value})))
            self.put_file(f"map/{version}/routers.yaml", config(policy("routers", "^r", {KEY: value})))
        os.symlink("..1", self.path("map/..data"))
        for name in ("nswarden.yaml", "routers.yaml"):
            os.symlink(f"..data/{name}", self.path(f"map/{name}"))
        folders = {"in it": self.path("map/nswarden.yaml"), "beside it": self.config_file}
        self.configure(including("map", policy("beside", "^r", {THIRD: 3})).replace('"map"', '["map/routers.yaml"]'))
        for where, file in folders.items():
            with self.subTest(f"the configuration is {where}"):
                self.config_file = file
                daemon = self.start(interval="1h")
                self.wait_value("r1", KEY, 111)
                for version, value in (("..2", 222), ("..1", 111)):
                    os.symlink(version, self.path("map/..data_tmp"))
                    os.rename(self.path("map/..data_tmp"), self.path("map/..data"))
                    self.wait_value("r1", KEY, value)
                self.assertEqual(daemon.scrape().sum("config_reloads_total", result="failure"), 0)
                daemon.stop()


class Trust(config_files.FilesCase):
    def open_up(self, name):
        os.chmod(self.path(name), os.stat(self.path(name)).st_mode | 0o002)

    def close(self, name):
        os.chmod(self.path(name), os.stat(self.path(name)).st_mode & ~0o002)

    def test_what_others_may_write_is_refused_at_start(self):
        self.put_file("d/a.yaml", config(policy("included", "^r", {KEY: 111})))
        self.put_file("s/a.conf", f"{OTHER} = 22\n")
        self.configure(including("d", policy("own", "^r", {THIRD: 3}) + "    sysctl_files: s\n"))
        for name in ("nswarden.yaml", "d/a.yaml", "d", "s/a.conf", "s"):
            with self.subTest(name):
                self.open_up(name)
                done = run_binary("run", f"--config.file={self.config_file}", "--web.listen-address=127.0.0.1:0")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"it is writable by all users; chmod o-w {self.path(name)}", done.stderr)
                self.close(name)
        os.chown(self.path("d/a.yaml"), 1234, 0)
        self.assertIn("it is owned by user 1234", self.refused()[0])
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), (WAS, OTHER_WAS))
        os.chown(self.path("d/a.yaml"), 0, 0)
        self.start(interval="1h")
        self.wait_value("r1", KEY, 111)

    def test_what_others_may_write_since_is_refused_at_a_reload_and_what_was_in_force_stays(self):
        self.put_file("d/a.yaml", config(policy("included", "^r", {KEY: 111})))
        daemon = self.start_with(including("d"))
        for count, name in enumerate(("d/a.yaml", "d", "nswarden.yaml"), 1):
            with self.subTest(name):
                self.put_file("d/a.yaml", config(policy("included", "^r", {KEY: 111})))
                self.wait_reload(daemon, "success", count)
                failures = daemon.scrape().sum("config_reloads_total", result="failure")
                self.open_up(name)
                with open(self.path("d/a.yaml"), "w", encoding="utf-8") as file:
                    file.write(config(policy("included", "^r", {KEY: 666})))
                daemon.signal(signal.SIGHUP)
                self.check_old_stays(daemon, failures + 1)
                remedy = f"it is writable by all users; chmod o-w {self.path(name)}"
                daemon.wait_log(lambda line, remedy=remedy: remedy in str(line), "why")
                with open(self.path("d/a.yaml"), "w", encoding="utf-8") as file:
                    file.write(config(policy("included", "^r", {KEY: 111})))
                self.close(name)
        self.assertNotEqual(get("r1", KEY), "666")


    def test_to_mend_the_mode_of_what_is_included_is_enough(self):
        self.put_file("d/a.yaml", config(policy("included", "^r", {KEY: 111})))
        daemon = self.start_with(including("d"), interval="200ms")
        for name in ("d/a.yaml", "d"):
            with self.subTest(name):
                self.open_up(name)
                daemon.signal(signal.SIGHUP)
                daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 0, "the failed reload")
                self.close(name)
                daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 1, "a good reload")


if __name__ == "__main__":
    harness.main()
