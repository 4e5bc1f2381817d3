# SPDX-License-Identifier: Apache-2.0
"""Policies with `restore: true`: when they are removed, their changes are reverted to the recorded values unless another
process changed them since."""

import json
import os
import signal

import harness
from harness import add_netns, config, delete_netns, get, policy, put, run_binary, run_inside, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
OTHER = "net.ipv4.tcp_keepalive_intvl"
FOUND, WANT = "7200", "600"
OTHER_FOUND, OTHER_WANT = "75", "20"
BOOK = "/mnt/nswarden/restore"


def restoring(name, netns, sysctls, mode=None):
    head, tail = policy(name, netns, sysctls, mode).split("    sysctls:\n")
    return f"{head}    restore: true\n    sysctls:\n{tail}"


WITH = config(restoring("routers", "^r", {KEY: WANT, OTHER: OTHER_WANT}))
WITHOUT = config(policy("others", "^other-", {KEY: 1}))


class RestoreCase(harness.Case):
    def setUp(self):
        super().setUp()
        if os.path.isdir(os.path.dirname(BOOK)):
            for name in os.listdir(os.path.dirname(BOOK)):
                if name.startswith("restore"):
                    os.unlink(os.path.join(os.path.dirname(BOOK), name))
        self.configure(WITH)
        add_netns("r1")

    def governed(self, *names):
        for name in names or ("r1",):
            self.wait_value(name, KEY, WANT)
            self.wait_value(name, OTHER, OTHER_WANT)

    def reload(self, daemon, text):
        self.configure(text)
        daemon.signal(signal.SIGHUP)

    def saved(self, count):
        """Waits until the restore book has that many entries."""

        def entries():
            with open(BOOK, encoding="ascii") as file:
                return len(file.read().splitlines()) - 2

        wait_until(lambda: entries() == count, lambda: f"{count} entries in the book")

    def apply(self, *arguments, code=0):
        done = run_binary("apply", "--restore", f"--config.file={self.config_file}", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done


class Reload(RestoreCase):
    def test_values_return_when_their_policy_goes(self):
        add_netns("r2")
        daemon = self.start()
        self.governed("r1", "r2")
        self.reload(daemon, WITHOUT)
        for name in ("r1", "r2"):
            self.wait_value(name, KEY, FOUND)
            self.wait_value(name, OTHER, OTHER_FOUND)
        self.saved(0)

    def test_a_value_that_somebody_else_changed_since_stays(self):
        daemon = self.start(interval="1h")
        self.governed()
        own = self.own_procfs()
        # No event reports it, so that the daemon does not repair it before the reload.
        harness.inside("r1", lambda: harness.write_at(own, KEY, 5))
        self.reload(daemon, WITHOUT)
        self.wait_value("r1", OTHER, OTHER_FOUND)
        self.assertEqual(get("r1", KEY), "5")
        daemon.wait_log(lambda line: "another process has changed it" in line["msg"], "the line about the changed value")

    def test_a_setting_that_leaves_its_policy_returns_and_the_other_one_stays(self):
        daemon = self.start()
        self.governed()
        self.reload(daemon, config(restoring("routers", "^r", {KEY: WANT})))
        self.wait_value("r1", OTHER, OTHER_FOUND)
        self.assertEqual(get("r1", KEY), WANT)

    def test_another_policy_takes_a_value_over(self):
        daemon = self.start()
        self.governed()
        self.reload(daemon, config(policy("plain", "^r", {KEY: 300})))
        self.wait_value("r1", OTHER, OTHER_FOUND)
        self.wait_value("r1", KEY, 300)
        self.reload(daemon, WITHOUT)
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), "300")

    def test_what_the_kernel_changes_with_a_value_returns_with_it(self):
        keys = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.lo.forwarding"]
        before = [get("r1", key) for key in keys]
        self.configure(config(restoring("routers", "^r", {key: 1 for key in keys})))
        daemon = self.start()
        for key in keys:
            self.wait_value("r1", key, 1)
        self.reload(daemon, WITHOUT)
        wait_until(lambda: [get("r1", key) for key in keys] == before, "all as it was")

    def test_what_our_own_write_changed_and_another_set_right_is_as_it_was(self):
        keys = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.lo.forwarding": 0}
        before = [get("r1", key) for key in keys]
        self.assertEqual(before, ["0", "0"])
        self.configure(config(restoring("routers", "^r", keys)))
        daemon = self.start()
        for key, want in keys.items():
            self.wait_value("r1", key, want)
        daemon.wait_sweeps(2)
        self.reload(daemon, WITHOUT)
        self.saved(0)
        self.assertEqual([get("r1", key) for key in keys], before)

    def test_keys_of_interfaces_return_whatever_their_names(self):
        run_inside("r1", "ip", "link", "add", "a\"b$(id)", "type", "bridge")
        path = "/proc/sys/net/ipv4/conf/a\"b$(id)/rp_filter"

        def value():
            with open(path, encoding="ascii") as file:
                return file.read().strip()

        before = harness.inside("r1", value)
        want = "1" if before != "1" else "2"
        self.configure(config(restoring("routers", "^r", {"net.ipv4.conf.*.rp_filter": want})))
        daemon = self.start()
        wait_until(lambda: harness.inside("r1", value) == want, "governed")
        self.reload(daemon, WITHOUT)
        wait_until(lambda: harness.inside("r1", value) == before, "as it was")

    def test_without_restore_values_stay_and_there_is_no_book(self):
        self.configure(config(policy("plain", "^r", {KEY: WANT, OTHER: OTHER_WANT})))
        daemon = self.start()
        self.governed()
        self.reload(daemon, WITHOUT)
        daemon.wait_sweeps(3)
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), (WANT, OTHER_WANT))
        daemon.stop()
        self.assertFalse(os.path.exists(BOOK))


class Restart(RestoreCase):
    def run_once(self, how):
        daemon = self.start()
        self.governed()
        if how == signal.SIGKILL:
            self.saved(2)
        daemon.signal(how)
        daemon.process.wait(harness.DEADLINE)

    def test_a_restart_in_between_keeps_what_was_found(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how.name):
                self.run_once(how)
                daemon = self.start()
                self.governed()
                self.reload(daemon, WITHOUT)
                self.wait_value("r1", KEY, FOUND)
                self.wait_value("r1", OTHER, OTHER_FOUND)
                daemon.stop()
                self.configure(WITH)

    def test_a_policy_that_went_while_no_daemon_ran_has_its_values_put_back_at_the_start(self):
        self.run_once(signal.SIGKILL)
        self.configure(WITHOUT)
        self.start()
        self.wait_value("r1", KEY, FOUND)
        self.wait_value("r1", OTHER, OTHER_FOUND)

    def test_a_netns_that_was_made_anew_under_the_name_is_not_touched(self):
        self.run_once(signal.SIGTERM)
        delete_netns("r1")
        add_netns("r1")
        put("r1", KEY, WANT)
        self.configure(WITHOUT)
        daemon = self.start()
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WANT)

    def test_a_damaged_book_is_told_moved_aside_and_not_trusted(self):
        self.run_once(signal.SIGTERM)
        with open(BOOK, "r+b") as file:
            text = file.read()
            file.seek(0)
            file.write(text.replace(FOUND.encode(), b"7201"))
        self.configure(WITHOUT)
        daemon = self.start()
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WANT)
        self.assertTrue(os.path.exists(BOOK + ".damaged"))
        told = [line for line in daemon.lines if "cannot load the restore book" in line["msg"]]
        self.assertEqual(len(told), 1)
        self.assertIn(BOOK, told[0]["reason"])

    def test_a_book_of_another_boot_is_void(self):
        self.run_once(signal.SIGTERM)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        other = os.path.join(self.directory, "boot_id")
        with open(other, "w", encoding="ascii") as file:
            file.write(boot[::-1] + "\n")
        harness.mount(other, "/proc/sys/kernel/random/boot_id", b"none", harness.MS_BIND)
        self.addCleanup(harness.umount, "/proc/sys/kernel/random/boot_id")
        self.configure(WITHOUT)
        daemon = self.start()
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WANT)

    def test_with_audit_nothing_is_put_back(self):
        self.run_once(signal.SIGTERM)
        self.configure(WITHOUT)
        daemon = self.start("--audit")
        daemon.wait_sweeps(3)
        self.assertEqual(get("r1", KEY), WANT)
        daemon.stop()
        self.start()
        self.wait_value("r1", KEY, FOUND)


class Apply(RestoreCase):
    def test_it_refuses_beside_a_daemon_and_says_what_to_do(self):
        daemon = self.start()
        self.governed()
        said = self.apply(code=2).stderr
        self.assertEqual(said.count("\n"), 1, said)
        for part in (f"pid {daemon.process.pid}", "reload", "stop"):
            self.assertIn(part, said)
        self.assertEqual(get("r1", KEY), WANT)

    def test_it_puts_everything_back_and_then_has_nothing_to_do(self):
        add_netns("r2")
        daemon = self.start()
        self.governed("r1", "r2")
        daemon.stop()
        report = json.loads(self.apply("--output=json").stdout)
        self.assertEqual((report["schema"], report["restored"]), (1, True))
        self.assertEqual(report["totals"], {"netns": 2, "settings": 4, "restored": 4, "changed_by_others": 0, "gone": 0, "failed": 0,
                                            "elsewhere": 0})
        self.assertEqual({(finding["netns"], finding["key"], finding["found"], finding["have"]) for finding in report["findings"]},
                         {(name, key, found, found) for name in ("r1", "r2") for key, found in ((KEY, FOUND), (OTHER, OTHER_FOUND))})
        for name in ("r1", "r2"):
            self.assertEqual((get(name, KEY), get(name, OTHER)), (FOUND, OTHER_FOUND))
        self.assertEqual(json.loads(self.apply("--output=json").stdout)["findings"], [])

    def test_a_netns_with_the_name_of_another_kind_of_netns_is_shown_with_its_directory(self):
        names = ("host", "net:[4026531840]", "r1")
        self.configure(config(restoring("all", "^", {KEY: WANT})))
        for name in names[:2]:
            add_netns(name)
        run_binary("apply", f"--config.file={self.config_file}")
        for name in names:
            self.assertEqual(get(name, KEY), WANT)
        shown = ["/run/netns/host", "/run/netns/net:[4026531840]", "r1"]
        table = self.apply("host").stdout
        self.assertEqual(table.splitlines()[1].split()[0], shown[0], table)
        report = json.loads(self.apply("--output=json").stdout)
        self.assertEqual([finding["netns"] for finding in report["findings"]], shown[1:])
        for name in names:
            self.assertEqual(get(name, KEY), FOUND)

    def test_it_puts_back_what_was_named_and_leaves_the_rest_for_later(self):
        add_netns("r2")
        daemon = self.start()
        self.governed("r1", "r2")
        daemon.stop()
        self.assertIn("2 restored", self.apply("r2").stdout)
        self.assertEqual((get("r1", KEY), get("r2", KEY)), (WANT, FOUND))
        self.apply("absent", code=3)
        self.assertIn("2 restored", self.apply().stdout)
        self.assertEqual(get("r1", KEY), FOUND)

    def test_what_others_changed_is_told_by_the_exit_code(self):
        daemon = self.start()
        self.governed()
        daemon.stop()
        put("r1", KEY, 5)
        self.assertIn("changed by others", self.apply(code=1).stdout)
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), ("5", OTHER_FOUND))

    def test_entries_of_netns_that_are_not_here_are_counted(self):
        daemon = self.start()
        self.governed()
        daemon.stop()
        delete_netns("r1")
        self.assertIn("2 in absent netns", self.apply().stdout)

    def test_what_apply_changed_without_a_daemon_is_put_back_too(self):
        done = run_binary("apply", f"--config.file={self.config_file}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(get("r1", KEY), WANT)
        self.apply()
        self.assertEqual((get("r1", KEY), get("r1", OTHER)), (FOUND, OTHER_FOUND))

    def test_a_damaged_book_is_an_error(self):
        os.makedirs(os.path.dirname(BOOK), exist_ok=True)
        with open(BOOK, "w", encoding="ascii") as file:
            file.write("7\tipv4/ip_forward\tp\t0\t1\n")
        self.assertIn(BOOK, self.apply(code=3).stderr)

    def test_it_is_no_dry_run_and_no_audit(self):
        for flag in ("--dry-run", "--audit"):
            self.assertEqual(self.apply(flag, code=2).stdout, "")


if __name__ == "__main__":
    harness.main()
