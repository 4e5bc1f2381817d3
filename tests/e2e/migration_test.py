# SPDX-License-Identifier: Apache-2.0
"""docs/migration.md, verbatim: runs every block of commands, with stand-ins for the daemon that nswarden replaces, apt-get
and systemctl. Packages and units have tests of their own."""

import json
import os
import re
import signal
import subprocess

import harness
import older_form_test
from harness import NETNS_DIR, add_netns, get, mount_netns, place_file, put, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../docs/migration.md")
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
OLD, NEW = "netns-events", "nswarden"
STEPS = ["Install", "Convert", "Run both", "Compare", "Switch over", "Roll back"]


def blocks_of(language):
    """Pairs of a heading and a block below it, in the order of the page."""
    found, heading = [], ""
    with open(PAGE, encoding="utf-8") as file:
        for part in re.split(r"^(## .*|```[\s\S]*?^```)$", file.read(), flags=re.MULTILINE):
            if part.startswith("## "):
                heading = part[3:]
            elif part.startswith(f"```{language}\n"):
                found.append((heading, part.split("\n", 1)[1].removesuffix("```")))
    return found


def name_and_state(pid):
    """Name and state of a process, from its stat file."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
    return name, fields.split()[0]


class Migration(harness.Case):
    def setUp(self):
        super().setUp()
        self.units = os.path.join(self.directory, "units")
        programs = os.path.join(self.directory, "bin")
        os.mkdir(self.units)
        os.mkdir(programs)
        self.use_own_etc()
        for name, lines in (("apt-get", f'echo "$@" >> {self.directory}/apt-get'),
                            ("systemctl", f'UNITS={self.units} exec /usr/bin/python3 -B {HERE}/service_manager.py "$@"')):
            with open(os.path.join(programs, name), "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{lines}\n")
            os.chmod(os.path.join(programs, name), 0o755)
        os.symlink(os.path.abspath(harness.BINARY), os.path.join(programs, "nswarden"))
        self.environment = {**os.environ, "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.environment.pop("RUNTIME_DIRECTORY")  # defaults to /run/nswarden
        self.unit(OLD, f"/usr/bin/python3 -B {HERE}/older_daemon.py --config /etc/netns-events-config.yaml", "grep -qx watching $LOG")
        self.unit(NEW, "nswarden run $ARGS", "curl -sf -o /dev/null http://127.0.0.1:10042/-/ready")
        self.configure(older_form_test.EXAMPLE, "/etc/netns-events-config.yaml")
        add_netns("qrouter-old")
        add_netns("qdhcp-old")
        self.addCleanup(self.stop_all)
        self.systemctl("start", OLD)
        self.wait_value("qrouter-old", LIBERAL, 1)

    def use_own_etc(self):
        """Mounts a directory over /etc that receives the page's writes and links to all other files of /etc."""
        real, own = os.path.join(self.directory, "real-etc"), os.path.join(self.directory, "etc")
        for folder in (real, own, f"{own}/nswarden", f"{own}/default"):
            os.mkdir(folder)
        harness.mount("/etc", real, b"none", harness.MS_BIND)
        self.addCleanup(harness.umount, real)
        for name in os.listdir(real):
            if not os.path.exists(f"{own}/{name}"):
                os.symlink(f"{real}/{name}", f"{own}/{name}")
        harness.mount(own, "/etc", b"none", harness.MS_BIND)
        self.addCleanup(harness.umount, "/etc")

    def unit(self, name, command, ready):
        path = os.path.join(self.units, name)
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump({"command": command, "ready": ready.replace("$LOG", path + ".log")}, file)

    def run_shell(self, text):
        return subprocess.run(["/bin/bash", "-c", text], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                              encoding="utf-8", env=self.environment)

    def systemctl(self, *words):
        done = self.run_shell(f"systemctl {' '.join(words)}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def pid(self, name):
        path = os.path.join(self.units, name + ".pid")
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def stop_all(self):
        for name in (NEW, OLD):
            if self.pid(name):
                os.kill(self.pid(name), signal.SIGKILL)
                wait_until(lambda name=name: self.run_shell(f"systemctl stop {name}").returncode == 0, f"the end of {name}")

    def add_netns_in_time(self, name):
        """Creates a netns whose IN_CREATE commands succeed. Those of the real old daemon, and of this one, are lost while
        the name is still an empty file; so the daemon is stopped until the name is a netns, and then finds the event in its
        queue."""
        old = self.pid(OLD)
        os.kill(old, signal.SIGSTOP)
        try:
            wait_until(lambda: name_and_state(old)[1] == "T", "the old daemon is stopped")
            add_netns(name)
        finally:
            os.kill(old, signal.SIGCONT)

    def log(self, name):
        with open(os.path.join(self.units, name + ".log"), encoding="utf-8") as file:
            return file.read()

    def follow(self, heading, status=0):
        """Runs the commands below a heading of the page, line by line as in a terminal, and returns their output. `status`
        is the exit status of lines that check for drift; all others exit with 0."""
        printed = ""
        for where, block in blocks_of("sh"):
            if where != heading:
                continue
            for line in block.splitlines():
                done = self.run_shell(line)
                looks = line.startswith(("nswarden check", "nswarden status"))
                self.assertEqual(done.returncode, status if looks else 0, f"{line}\n{done.stdout}{done.stderr}")
                printed += done.stdout
        self.assertTrue(printed or heading not in ("Compare", "Switch over"), heading)
        return printed

    def reach(self, last):
        for heading in STEPS[:STEPS.index(last) + 1]:
            self.follow(heading)

    def wait_compliant(self):
        wait_until(lambda: self.run_shell("nswarden status").returncode == 0, lambda: self.run_shell("nswarden status").stdout)

    def test_every_block_of_commands_is_below_a_step_that_the_tests_take(self):
        self.assertEqual([heading for heading in dict(blocks_of("sh"))], STEPS)

    def test_what_the_page_shows_of_the_conversion_is_what_comes_out(self):
        self.reach("Convert")
        with open("/etc/nswarden/nswarden.yaml", encoding="utf-8") as file:
            converted = file.read()
        shown = [block for heading, block in blocks_of("yaml") if heading == "Convert"]
        self.assertEqual(len(shown), 1)
        self.assertIn(shown[0], converted)
        self.assertIsNone(self.pid(NEW))
        with open(f"{self.directory}/apt-get", encoding="utf-8") as file:
            self.assertRegex(file.read(), r"^install \./nswarden_\S*\.deb\n$")

    def test_beside_the_old_daemon_nothing_is_wrong_once_that_has_acted(self):
        self.reach("Run both")
        printed = self.follow("Compare")
        self.assertIn("2 netns, 2 settings: 2 compliant, 0 drifted", printed)
        self.add_netns_in_time("qrouter-new")
        self.wait_value("qrouter-new", LIBERAL, 1)
        self.wait_compliant()
        printed = self.follow("Compare")
        self.assertIn('nswarden_drifted_sysctls{policy="rule-1"} 0\n', printed)
        self.assertNotIn("nswarden_sysctl_drift{", printed)
        metrics = harness.Metrics(harness.parse_metrics(self.run_shell("curl -s http://127.0.0.1:10042/metrics").stdout))
        self.assertEqual(metrics.sum("actions_total"), 0)
        self.assertEqual(metrics.sum("netns", policy="rule-1"), 2)
        self.assertEqual(metrics.sum("drift_detected_total", source="event"), 0)

    def test_what_the_old_daemon_missed_is_shown_until_the_switch_and_then_all_is_governed(self):
        self.reach("Run both")
        put("qrouter-old", LOOSE, 0)
        wait_until(lambda: self.run_shell("nswarden status").returncode == 1, "the drift")
        printed = self.follow("Compare", status=1)
        self.assertIn(f'nswarden_sysctl_drift{{netns="qrouter-old",policy="rule-1",reason="value",sysctl="{LOOSE}"}} 1', printed)
        self.assertRegex(self.log(NEW), r'msg="sysctl drifted" netns=qrouter-old .*source=event writer=')
        self.assertEqual(get("qrouter-old", LOOSE), "0")
        self.assertIn("2 netns, 2 settings: 2 compliant", self.follow("Switch over"))
        self.assertEqual(get("qrouter-old", LOOSE), "1")
        self.assertIsNone(self.pid(OLD))
        put("qrouter-old", LOOSE, 0)
        self.wait_value("qrouter-old", LOOSE, 1)
        self.assertEqual((get("qdhcp-old", LIBERAL), get("qdhcp-old", LOOSE)), ("0", "1"))
        add_netns("qrouter-new")
        self.wait_value("qrouter-new", LIBERAL, 1)
        stayed = ": empty command to create a log entry"
        wait_until(lambda: len(re.findall(f'msg="command done".*command="{stayed}"', self.log(NEW))) == 3, lambda: self.log(NEW))

    def test_a_netns_that_the_old_daemon_came_too_early_for_is_shown_and_set_right_by_the_switch(self):
        self.reach("Run both")
        place_file("qrouter-early")
        tried = r"^ran (\d+) ip netns exec .*=1 qrouter-early$"
        wait_until(lambda: len(re.findall(tried, self.log(OLD), re.MULTILINE)) == 2, lambda: self.log(OLD))
        self.assertNotIn("0", re.findall(tried, self.log(OLD), re.MULTILINE))
        mount_netns("qrouter-early")
        wait_until(lambda: self.run_shell("nswarden status").returncode == 1, "the drift")
        printed = self.follow("Compare", status=1)
        self.assertIn(f'nswarden_sysctl_drift{{netns="qrouter-early",policy="rule-1",reason="value",sysctl="{LIBERAL}"}} 1', printed)
        self.assertEqual(get("qrouter-early", LIBERAL), "0")
        self.follow("Switch over")
        self.assertEqual(get("qrouter-early", LIBERAL), "1")

    def test_back_with_the_old_daemon_values_stay_and_nothing_of_nswarden_is_left(self):
        before = self.leftovers()
        self.reach("Switch over")
        add_netns("qrouter-new")
        self.wait_value("qrouter-new", LIBERAL, 1)
        new = self.pid(NEW)
        self.follow("Roll back")
        self.assertIsNone(self.pid(NEW))
        self.assertFalse(os.path.exists(f"/proc/{new}/exe"))
        for name in ("qrouter-old", "qrouter-new"):
            self.assertEqual((get(name, LIBERAL), get(name, LOOSE)), ("1", "1"), name)
        self.assertEqual(self.leftovers(), before)
        with open(f"{self.directory}/apt-get", encoding="utf-8") as file:
            self.assertEqual(file.read().splitlines()[-1], "purge -y nswarden")
        self.add_netns_in_time("qrouter-later")
        self.wait_value("qrouter-later", LIBERAL, 1)
        put("qrouter-later", LIBERAL, 0)
        self.systemctl("stop", OLD)
        self.assertEqual(get("qrouter-later", LIBERAL), "0")

    def leftovers(self):
        """Possible leftovers of a daemon: files in /run, and processes by name."""
        names = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                name, state = name_and_state(pid)
            except FileNotFoundError:
                continue
            if state != "Z" and name.startswith("nswarden"):
                names.append(name)
        return sorted(names), sorted(name for name in os.listdir("/run") if f"/run/{name}" != NETNS_DIR)


if __name__ == "__main__":
    harness.main()
