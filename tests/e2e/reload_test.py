# SPDX-License-Identifier: Apache-2.0
"""A new configuration is applied completely or not at all."""

import os
import signal

import harness
from harness import add_netns, config, get, policy, put, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
GOOD = config(policy("routers", "^router-", {KEY: 1111}))
BETTER = config(policy("routers", "^router-", {KEY: 2222, OTHER: 33}))
BROKEN = {
    "misspelt field": GOOD.replace("sysctls", "sysctl"),
    "half written": BETTER[:-3],
    "not YAML": "policies: [\n",
    "empty": "",
    "a key outside net": GOOD.replace(KEY, "kernel.core_pattern"),
    "not UTF-8": GOOD.replace("routers", "rout\udcffers"),
}


class Reload(harness.Case):
    def setUp(self):
        super().setUp()
        add_netns("router-1")
        self.configure(GOOD)

    def overwrite(self, text):
        """In place, like `cat >`."""
        with open(self.config_file, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def wait_reloads(self, daemon, result, count):
        return daemon.wait_metrics(lambda m: m.sum("config_reloads_total", result=result) >= count, f"{count} reloads: {result}")

    def check_governs_as_before(self, daemon):
        put("router-1", KEY, 5)
        self.wait_value("router-1", KEY, 1111)
        metrics = daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 0, "the failed reload")
        self.assertEqual(metrics.sum("managed_sysctls"), 1)
        self.assertEqual(get("router-1", OTHER), "75")

    def test_sighup_takes_a_good_file(self):
        daemon = self.start()
        before = daemon.scrape()
        self.overwrite(BETTER)
        daemon.signal(signal.SIGHUP)
        self.wait_value("router-1", KEY, 2222)
        self.wait_value("router-1", OTHER, 33)
        metrics = daemon.wait_metrics(lambda m: m.sum("managed_sysctls", policy="routers") == 2, "two settings")
        self.assertEqual(metrics.sum("config_last_reload_successful"), 1)
        self.assertGreaterEqual(metrics.sum("config_reloads_total", result="success"),
                                before.sum("config_reloads_total", result="success") + 1)
        self.assertGreaterEqual(metrics.sum("config_last_reload_success_timestamp_seconds"),
                                before.sum("config_last_reload_success_timestamp_seconds"))

    def test_sighup_keeps_the_last_good_policy_when_the_file_is_bad(self):
        daemon = self.start()
        for count, (why, text) in enumerate(BROKEN.items(), 1):
            with self.subTest(why):
                self.overwrite(text)
                daemon.signal(signal.SIGHUP)
                self.wait_reloads(daemon, "failure", count)
                self.check_governs_as_before(daemon)
        self.overwrite(BETTER)
        daemon.signal(signal.SIGHUP)
        self.wait_value("router-1", KEY, 2222)
        daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 1, "a good reload")

    def test_an_absent_file_keeps_the_last_good_policy(self):
        daemon = self.start()
        os.unlink(self.config_file)
        daemon.signal(signal.SIGHUP)
        self.wait_reloads(daemon, "failure", 1)
        self.check_governs_as_before(daemon)

    def test_a_bad_file_is_told_with_its_line_and_column(self):
        daemon = self.start()
        self.overwrite(BROKEN["misspelt field"])
        daemon.signal(signal.SIGHUP)
        self.wait_reloads(daemon, "failure", 1)
        daemon.wait_log(lambda line: f"{self.config_file}:5:5: " in str(line), "the place of the mistake")

    def test_a_file_written_in_place_is_taken_without_a_signal(self):
        self.start()
        self.overwrite(BETTER)
        self.wait_value("router-1", KEY, 2222)

    def test_a_file_moved_into_place_is_taken_without_a_signal(self):
        self.start()
        for text, value in ((BETTER, 2222), (GOOD, 1111)):
            self.configure(text)
            self.wait_value("router-1", KEY, value)

    def test_a_swapped_link_of_a_config_map_is_taken_without_a_signal(self):
        # As the kubelet does: nswarden.yaml -> ..data/nswarden.yaml, ..data -> ..time, and ..data is replaced by a rename.
        mounted = os.path.join(self.directory, "mounted")
        for version, text in (("..1", GOOD), ("..2", BETTER)):
            os.makedirs(os.path.join(mounted, version))
            self.configure(text, os.path.join(mounted, version, "nswarden.yaml"))
        os.symlink("..1", os.path.join(mounted, "..data"))
        os.symlink("..data/nswarden.yaml", os.path.join(mounted, "nswarden.yaml"))
        self.config_file = os.path.join(mounted, "nswarden.yaml")
        self.start()
        self.assertEqual(get("router-1", KEY), "1111")
        for version, value in (("..2", 2222), ("..1", 1111)):
            os.symlink(version, os.path.join(mounted, "..data_tmp"))
            os.rename(os.path.join(mounted, "..data_tmp"), os.path.join(mounted, "..data"))
            self.wait_value("router-1", KEY, value)

    def test_a_key_that_the_policy_no_longer_names_is_left_as_it_is(self):
        self.configure(BETTER)
        daemon = self.start()
        self.configure(GOOD)
        self.wait_value("router-1", KEY, 1111)
        put("router-1", OTHER, 44)
        daemon.wait_sweeps(3)
        self.assertEqual(get("router-1", OTHER), "44")

    def test_what_a_reload_drops_is_told_in_one_line(self):
        def dropped_lines():
            return [line["dropped"] for line in list(daemon.lines) if "dropped" in line]

        daemon = self.start()
        self.configure(BETTER)
        self.wait_value("router-1", OTHER, 33)
        self.assertEqual(dropped_lines(), [])
        self.configure(GOOD)
        wait_until(dropped_lines, "a line")
        self.configure(config(policy("others", "^other-", {KEY: 3333})))
        wait_until(lambda: len(dropped_lines()) == 2, "another line")
        self.assertEqual(dropped_lines(), [f"1 setting of policy routers ({OTHER})", "policy routers"])

    def test_a_file_that_is_still_being_written_is_not_taken(self):
        daemon = self.start()
        for first in (lambda: None, lambda: os.unlink(self.config_file)):
            first()
            with open(self.config_file, "w", encoding="utf-8") as file:
                file.write("version: 1\npolicies: []\n")  # a complete configuration
                file.flush()
                daemon.wait_sweeps(3)
                self.assertEqual(daemon.scrape().sum("managed_sysctls"), 1)
                file.seek(0)
                file.write(GOOD)
            daemon.wait_metrics(lambda m: m.sum("managed_sysctls") == 1, "the whole file")

    def test_netns_that_a_new_policy_matches_are_governed_and_others_are_let_go(self):
        add_netns("other-1")
        daemon = self.start()
        self.configure(config(policy("others", "^other-", {KEY: 3333})))
        self.wait_value("other-1", KEY, 3333)
        # Counters may be ahead of the published state.
        metrics = daemon.wait_metrics(lambda m: (m.sum("netns", policy="others"), m.sum("netns_unmatched")) == (1, 1), "the new policy")
        self.assertEqual(metrics.all("managed_sysctls", policy="routers"), {})
        put("router-1", KEY, 5)
        daemon.wait_sweeps()
        self.assertEqual(get("router-1", KEY), "5")

    def test_reload_over_http_answers_what_came_of_it(self):
        daemon = self.start("--web.enable-lifecycle")
        self.assertEqual(daemon.http("GET", "/-/reload")[0], 405)
        self.overwrite(BETTER)
        self.assertEqual(daemon.http("POST", "/-/reload")[0], 200)
        self.wait_value("router-1", KEY, 2222)
        self.overwrite(BROKEN["misspelt field"])
        status, _, body = daemon.http("POST", "/-/reload")
        self.assertGreaterEqual(status, 400)
        self.assertIn(b":5:5: ", body)
        wait_until(lambda: get("router-1", KEY) == "2222", "the last good policy")

    def test_reload_over_http_is_unknown_without_its_flag(self):
        daemon = self.start()
        self.assertEqual(daemon.http("POST", "/-/reload")[0], 404)


if __name__ == "__main__":
    harness.main()
