# SPDX-License-Identifier: Apache-2.0
"""The promises of the unit, in a booted system: run by tests/packaging/systemd."""

import os
import signal
import subprocess
import time
import unittest

from unit import (CONFIG, UNIT, UnitCase, clear_netns, documented, documented_command, drop_in, http, journal, main_pid, restarts, scrape,
                  show, status_of, systemctl, write)
from harness import NETNS_DIR, add_netns, get, put, run_inside  # after unit, which sets its path

KEY = "net.netfilter.nf_conntrack_tcp_be_liberal"  # of the installed policy
CAPABILITIES = {12: "NET_ADMIN", 11: "NET_BROADCAST", 21: "SYS_ADMIN"}
OF_INTERFACES = """version: 1
policies:
  - name: routers
    netns: ^qrouter-
    sysctls:
      net.ipv4.conf.*.rp_filter: 2
"""
OLDER_FORM = """- netns_regex: ^qrouter-.*
  daemon_startup_actions: []
  inotify_actions:
    - IN_CREATE:
        - {command} sysctl net.ipv4.tcp_keepalive_time=1234
"""


def capabilities(text):
    return {number for number in range(64) if int(text, 16) >> number & 1}


class Boot(unittest.TestCase):
    def test_what_starts_after_it_finds_every_netns_governed_that_was_there_before(self):
        with open("/run/found-by-agent", encoding="ascii") as file:
            found = file.read().split()
        self.assertEqual(found, ["1"] * 300 + ["active"])

    def test_the_unit_is_without_fault(self):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True, encoding="utf-8", check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_its_exposure_is_below_4(self):
        done = subprocess.run(["systemd-analyze", "security", "--threshold=39", "--no-pager", UNIT], capture_output=True, encoding="utf-8",
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


class Rights(UnitCase):
    def test_it_is_nobody_special_with_three_capabilities_and_can_get_no_more(self):
        status = status_of(main_pid())
        self.assertNotIn("0", status["Uid"].split() + status["Gid"].split())
        for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
            self.assertEqual(capabilities(status[kind]), set(CAPABILITIES), kind)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_of_files_it_can_write_sysctls_of_the_network_and_its_own_and_nothing_else(self):
        # As the daemon's user, and as root in its mount namespace: there the file system alone refuses.
        pid, user = main_pid(), status_of(main_pid())["Uid"].split()[0]
        refused = ["/proc/sys/kernel/panic", "/proc/sysrq-trigger", "/sys/kernel/mm/ksm/run", "/etc/hostname", "/usr/bin/nswarden",
                   "/run/x", "/root/x"]
        allowed = ["/proc/sys/net/ipv4/tcp_keepalive_time", "/run/nswarden/x", "/tmp/x"]
        for uid in ("0", user):
            for path in refused + (allowed if uid == "0" else []):
                command = ["setpriv", "--reuid", uid, "--clear-groups", "sh", "-c", 'exec 2>/dev/null; : >>"$0"', path]
                done = subprocess.run(["nsenter", "-t", str(pid), "-m", *command], check=False)
                self.assertEqual(done.returncode == 0, path in allowed, f"{path} as {uid}")

    def test_nothing_that_it_can_write_can_be_executed(self):
        for directory in ("/tmp", "/var/tmp", "/run/nswarden"):
            script = f'cp /bin/true {directory}/x && {{ {directory}/x; echo $?; }}; rm -f {directory}/x'
            done = subprocess.run(["nsenter", "-t", str(main_pid()), "-m", "sh", "-c", script], capture_output=True, encoding="utf-8", check=False)
            self.assertEqual(done.stdout.strip(), "126", directory + done.stderr)


class Sight(UnitCase):
    """The sandbox does not hide events from the daemon. The sweep interval is an hour."""

    def test_all_sources_of_events_are_up(self):
        self.assertEqual(http("/-/ready"), (200, "nswarden is ready.\n"))
        up = scrape().all("event_source_up")
        self.assertEqual(len(up), 4)
        self.assertEqual(set(up.values()), {1.0}, up)

    def test_netns_that_come_later_are_governed_at_once_also_the_first_of_the_machine(self):
        self.assertFalse(os.path.exists(NETNS_DIR))
        for name in ("qrouter-1", "qrouter-2"):
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.wait(lambda name=name: get(name, KEY) == "1", f"{name} governed")

    def test_a_write_is_repaired_at_once_and_its_writer_named(self):
        add_netns("qrouter-1")
        self.wait(lambda: get("qrouter-1", KEY) == "1", "governed")
        run_inside("qrouter-1", "sysctl", "-w", f"{KEY}=0")
        self.wait(lambda: get("qrouter-1", KEY) == "1", "repaired")
        self.wait(lambda: scrape().sum("drift_writers_total", comm="sysctl") == 1, "the writer")

    def test_an_interface_that_comes_later_is_governed_at_once(self):
        write(CONFIG, OF_INTERFACES)
        systemctl("restart", UNIT)
        subprocess.run(["ip", "netns", "add", "qrouter-1"], check=True)
        run_inside("qrouter-1", "ip", "link", "add", "br7", "type", "bridge")
        self.wait(lambda: get("qrouter-1", "net.ipv4.conf.br7.rp_filter") == "2", "the interface governed")

    def test_a_deleted_netns_is_not_kept_alive(self):
        subprocess.run(["ip", "netns", "add", "qrouter-1"], check=True)
        run_inside("qrouter-1", "ip", "link", "add", "inner", "type", "veth", "peer", "name", "outer", "netns", "1")
        self.wait(lambda: get("qrouter-1", KEY) == "1", "governed")
        subprocess.run(["ip", "netns", "del", "qrouter-1"], check=True)
        self.wait(lambda: not os.path.exists("/sys/class/net/outer"), "the end of the other end of its veth")
        self.wait(lambda: scrape().sum("netns") == 0, "no netns")

    def test_paths_of_writers_are_told_with_the_documented_drop_in(self):
        for name in (None, "writers"):
            if name:
                drop_in(name, documented(name))
                systemctl("restart", UNIT)
                self.assertEqual(capabilities(status_of(main_pid())["CapEff"]), {*CAPABILITIES, 19})
            add_netns("qrouter-1")
            self.wait(lambda: get("qrouter-1", KEY) == "1", "governed")
            put("qrouter-1", KEY, 0)
            self.wait(lambda: scrape().sum("drift_writers_total") == 1, "repaired")
            lines = [line for line in journal().splitlines() if "writer=" in line]
            self.assertEqual("writer_exe=/usr/bin/python3" in lines[-1], bool(name), lines[-1])
            clear_netns()


class Life(UnitCase):
    def test_a_reload_takes_a_good_file_and_a_bad_one_leaves_the_last_good_policy(self):
        pid = main_pid()
        add_netns("qrouter-1")
        good = OF_INTERFACES.replace("net.ipv4.conf.*.rp_filter: 2", "net.ipv4.tcp_keepalive_time: 1234")
        for text, successes, failures in ((good, 1, 0), (good.replace("sysctls", "sysctl"), 1, 1)):
            write(CONFIG, text)
            systemctl("reload", UNIT)
            self.wait(lambda: scrape().sum("config_reloads_total", result="success") >= successes, "a success")
            self.wait(lambda: scrape().sum("config_reloads_total", result="failure") >= failures, "a failure")
            self.assertEqual(scrape().sum("config_last_reload_successful"), 1 - failures)
            self.wait(lambda: get("qrouter-1", "net.ipv4.tcp_keepalive_time") == "1234", "the policy of the good file")
            put("qrouter-1", "net.ipv4.tcp_keepalive_time", 5)
            self.wait(lambda: get("qrouter-1", "net.ipv4.tcp_keepalive_time") == "1234", "the policy of the good file")
        self.assertEqual((main_pid(), show("ActiveState")), (pid, "active"))

    def test_after_sigkill_it_comes_again_and_repairs_what_happened_meanwhile(self):
        add_netns("qrouter-1")
        self.wait(lambda: get("qrouter-1", KEY) == "1", "governed")
        pid, before = main_pid(), restarts()
        os.kill(pid, signal.SIGKILL)
        self.wait(lambda: main_pid() != pid, "its end")
        put("qrouter-1", KEY, 0)
        self.wait(lambda: get("qrouter-1", KEY) == "1", "repaired")
        self.assertEqual(restarts(), before + 1)

    def test_it_stops_within_2_s_and_leaves_its_runtime_directory(self):
        begin = time.monotonic()
        systemctl("stop", UNIT)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual((show("Result"), show("ExecMainStatus")), ("success", "0"))
        self.assertTrue(os.listdir("/run/nswarden"))

    def test_systemd_is_told_what_it_does(self):
        self.assertRegex(show("StatusText"), r"\S")

    def test_the_watchdog_ends_a_daemon_that_stands_still(self):
        drop_in("watchdog", "[Service]\nWatchdogSec=2s\nTimeoutStopSec=1s\n")
        systemctl("restart", UNIT)
        pid = main_pid()
        os.kill(pid, signal.SIGSTOP)
        self.wait(lambda: main_pid() not in (0, pid), "another process", deadline=30)
        self.wait_ready()
        self.assertEqual(restarts(), 1)

    def test_the_watchdog_leaves_a_daemon_that_works_in_peace_also_when_a_sweep_comes_once_an_hour(self):
        drop_in("watchdog", "[Service]\nWatchdogSec=2s\n")
        systemctl("restart", UNIT)
        pid, begin = main_pid(), int(show("WatchdogTimestampMonotonic"))
        self.wait(lambda: int(show("WatchdogTimestampMonotonic")) > begin + 5_500_000, "signs of life for more than 2 periods")
        self.assertEqual((main_pid(), restarts()), (pid, 0))

    def test_with_a_bad_file_it_tries_for_ever_holds_nobody_up_and_comes_right_when_the_file_is_mended(self):
        with open(CONFIG, encoding="utf-8") as file:
            good = file.read()
        write(CONFIG, "version: 1\npolicy: []\n")
        drop_in("quick", "[Service]\nRestartSec=100ms\n")
        systemctl("stop", UNIT, "neutron-l3-agent.service")
        begin = time.monotonic()
        systemctl("start", UNIT, "neutron-l3-agent.service", check=False)
        self.assertEqual(systemctl("is-active", "neutron-l3-agent.service"), "active")
        self.assertNotEqual(show("ActiveState"), "active")
        self.assertLess(time.monotonic() - begin, 60, "longer would be the time limit of a start, 90 s")
        self.wait(lambda: restarts() > 10, "more tries than systemd's usual limit of 5")
        write(CONFIG, good)
        self.wait_ready()
        self.assertEqual(show("ActiveState"), "active")


class Restoring(UnitCase):
    KEY = "net.ipv4.tcp_keepalive_time"
    POLICY = OF_INTERFACES.replace("net.ipv4.conf.*.rp_filter: 2", f"{KEY}: 1234").replace("    sysctls", "    restore: true\n    sysctls")

    def setUp(self):
        super().setUp()
        write(CONFIG, self.POLICY)
        systemctl("restart", UNIT)
        add_netns("qrouter-1")
        self.wait(lambda: get("qrouter-1", self.KEY) == "1234", "governed")

    def test_what_a_policy_changed_is_put_back_when_it_goes_even_after_a_restart(self):
        systemctl("restart", UNIT)
        write(CONFIG, "version: 1\npolicies: []\n")
        systemctl("reload", UNIT)
        self.wait(lambda: get("qrouter-1", self.KEY) == "7200", "put back")

    def test_it_is_put_back_by_hand_with_the_documented_command_when_the_service_is_stopped(self):
        systemctl("stop", UNIT)
        done = subprocess.run(["sh", "-c", documented_command("setpriv")], capture_output=True, encoding="utf-8", check=False)
        self.assertEqual(get("qrouter-1", self.KEY), "7200", done.stdout + done.stderr)


class Commands(UnitCase):
    def outcome(self, command):
        write(CONFIG, OLDER_FORM.format(command=command))
        systemctl("restart", UNIT)
        self.wait_ready()
        subprocess.run(["ip", "netns", "add", "qrouter-1"], check=True)
        metrics = self.wait(lambda: scrape().sum("actions_total", action="command") == 1 and scrape(), "a command")
        value = get("qrouter-1", "net.ipv4.tcp_keepalive_time")
        subprocess.run(["ip", "netns", "del", "qrouter-1"], check=True)
        return metrics.sum("actions_total", action="command", result="success") == 1 and value == "1234"

    def test_commands_of_the_older_form_enter_netns_by_nsenter(self):
        self.assertTrue(self.outcome('nsenter --net="/run/netns/$NETNS"'), journal())

    def test_ip_netns_exec_is_refused_as_it_makes_a_mount_namespace(self):
        self.assertFalse(self.outcome("ip netns exec $NETNS"))
        self.assertIn("unshare failed", journal())

    def test_ip_netns_exec_works_with_the_documented_drop_in(self):
        drop_in("ip-netns-exec", documented("ip-netns-exec"))
        self.assertTrue(self.outcome("ip netns exec $NETNS"), journal())


if __name__ == "__main__":
    unittest.main()
