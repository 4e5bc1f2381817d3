# SPDX-License-Identifier: Apache-2.0
"""Capabilities of commands: none, unless the policy asks for those of the daemon. As root and as an unprivileged user."""

import errno
import json
import os
import shutil
import socket
import struct
import subprocess

import harness
import syscall_faults
from harness import NETNS_DIR, add_netns, get

KEY = "net.ipv4.tcp_keepalive_time"
NONE = "0000000000000000"
NOBODY = 65534
DAEMONS = ("sys_admin", "net_admin", "net_broadcast")
BITS = {"sys_admin": 21, "net_admin": 12, "net_broadcast": 11}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def bits(*names):
    return f"{sum(1 << BITS[name] for name in names):016x}"


def as_nobody(ambient):
    """An unprivileged user with these capabilities in the ambient set, as systemd starts a service. With `ambient` false
    that set is empty, as with file capabilities."""
    listed = ",".join(f"+{name}" for name in DAEMONS)
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--bounding-set=-all,{listed}",
               f"--inh-caps=-all,{listed}"]
    return [*command, f"--ambient-caps=-all,{listed}"] if ambient else command


class CommandCapabilities(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(NETNS_DIR)
        self.out = os.path.join(self.directory, "out")
        os.mkdir(self.out)
        os.chmod(self.directory, 0o755)
        os.chmod(self.out, 0o777)
        self.locks = os.path.join(self.directory, "locks")
        os.mkdir(self.locks)
        os.chown(self.locks, NOBODY, NOBODY)
        # An unprivileged user may not be able to reach the build directory.
        self.binary = os.path.join(self.directory, "nswarden")
        shutil.copy(harness.BINARY, self.binary)

    def native(self, *commands, capabilities=None):
        text = "version: 1\npolicies:\n  - name: routers\n    netns: ^router-\n    commands:\n"
        if capabilities:
            text += f"      capabilities: {capabilities}\n"
        self.configure(text + f"      events:\n        IN_CREATE: {json.dumps(commands)}\n")

    def older(self, *commands):
        self.configure(f"- netns_regex: ^router-\n  daemon_startup_actions: []\n  inotify_actions:\n    - IN_CREATE: {json.dumps(commands)}\n")

    def status_to(self, name, program="cat"):
        return f"{program} /proc/self/status >{self.out}/{name}"

    def status(self, name):
        with open(os.path.join(self.out, name), encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def as_root(self):
        return self.start()

    def as_user(self, ambient=True):
        if not ambient:
            # File capabilities: permitted and effective, all three.
            permitted = sum(1 << BITS[name] for name in DAEMONS)
            os.setxattr(self.binary, "security.capability", struct.pack("<5I", 0x02000001, permitted, 0, 0, 0))
        prefix = as_nobody(ambient)
        binary, harness.BINARY = harness.BINARY, self.binary
        self.addCleanup(setattr, harness, "BINARY", binary)
        return self.start(prefix=prefix, environment={"RUNTIME_DIRECTORY": self.locks})

    def run_commands(self, daemon, count, name="router-1"):
        """Creates a netns; returns (successes, failures) once that many commands have ended."""
        before = daemon.scrape()
        add_netns(name)

        def ended(metrics, result):
            return int(metrics.sum("actions_total", action="command", result=result) -
                       before.sum("actions_total", action="command", result=result))

        metrics = daemon.wait_metrics(lambda m: ended(m, "success") + ended(m, "failure") == count, f"{count} commands")
        return ended(metrics, "success"), ended(metrics, "failure")

    def check_none(self, name, uid):
        status = self.status(name)
        # Emptying the bounding set takes CAP_SETPCAP, which only root has here.
        bounding = bits(*DAEMONS) if uid else NONE
        self.assertEqual({field: status[field] for field in SETS}, {**dict.fromkeys(SETS, NONE), "CapBnd": bounding})
        self.assertEqual((status["NoNewPrivs"], status["Uid"]), ("1", "\t".join([str(uid)] * 4)))

    PRIVILEGED = (f"ip netns exec $NETNS sysctl -w {KEY}=1111", "ip link add made0 type bridge", "mount -t tmpfs none /mnt")

    def check_powerless(self, daemon, uid):
        self.assertEqual(self.run_commands(daemon, 1 + len(self.PRIVILEGED)), (1, len(self.PRIVILEGED)))
        self.check_none("status", uid)
        self.assertEqual(get("router-1", KEY), "7200")
        self.assertFalse("made0" in dict(map(reversed, socket.if_nameindex())))
        failed = [line for line in daemon.lines if line.get("msg") == "command failed"]
        self.assertEqual({line["capabilities"] for line in failed}, {"none"})

    def test_a_command_has_none_and_can_do_nothing_that_takes_one_though_the_daemon_is_root(self):
        self.native(self.status_to("status"), *self.PRIVILEGED)
        self.check_powerless(self.as_root(), 0)

    def test_a_command_of_a_daemon_with_a_user_of_its_own_has_none_either(self):
        self.native(self.status_to("status"), *self.PRIVILEGED, capabilities="none")
        self.check_powerless(self.as_user(), NOBODY)

    def test_neither_a_setuid_program_nor_capabilities_of_a_file_give_it_any(self):
        programs = os.path.join(self.directory, "programs")
        os.mkdir(programs)
        harness.mount("none", programs, b"tmpfs")
        self.addCleanup(harness.umount, programs)
        os.chmod(programs, 0o755)
        setuid, with_capability = (shutil.copy("/bin/cat", os.path.join(programs, name)) for name in ("setuid", "capability"))
        os.chmod(setuid, 0o4755)
        os.setxattr(with_capability, "security.capability", struct.pack("<5I", 0x02000001, 1 << BITS["net_admin"], 0, 0, 0))
        commands = (self.status_to("setuid", setuid), self.status_to("capability", with_capability))
        self.native(*commands)
        # The kernel refuses to execute a file whose capabilities are missing from the bounding set. Root's bounding set is
        # empty.
        for start, uid, run in ((self.as_root, 0, ["setuid"]), (self.as_user, NOBODY, ["setuid", "capability"])):
            daemon = start()
            self.assertEqual(self.run_commands(daemon, 2, f"router-{uid}"), (len(run), 2 - len(run)))
            for name in run:
                self.check_none(name, uid)
            for name in os.listdir(self.out):
                os.unlink(os.path.join(self.out, name))
            daemon.stop()
        # These programs pass their capabilities on to commands that may gain some.
        self.native(*commands, capabilities="daemon")
        self.assertEqual(self.run_commands(self.as_user(), 2, "router-daemon"), (2, 0))
        self.assertEqual(self.status("setuid")["Uid"], f"{NOBODY}\t0\t0\t0")
        self.assertEqual(self.status("capability")["CapEff"], bits("net_admin"))

    def check_powerful(self, daemon, name):
        self.assertEqual(self.run_commands(daemon, 3, name), (3, 0), daemon.log())
        status = self.status("status")
        os.unlink(os.path.join(self.out, "status"))
        self.assertEqual((get(name, KEY), status["NoNewPrivs"]), ("1111", "0"))
        self.assertTrue("made0" in dict(map(reversed, socket.if_nameindex())))
        subprocess.run(["ip", "link", "delete", "made0"], check=True)
        return status

    # `ip netns exec` also mounts a sysfs, for which an unprivileged user needs more than these capabilities.
    IN_NETNS = f"nsenter --net=/run/netns/$NETNS sysctl -w {KEY}=1111"

    def test_with_the_daemons_it_can_whatever_the_daemons_user_and_however_that_came_by_them(self):
        self.native(self.status_to("status"), self.IN_NETNS, "ip link add made0 type bridge", capabilities="daemon")
        daemon = self.as_root()
        self.check_powerful(daemon, "router-root")
        daemon.stop()
        for ambient in (True, False):
            daemon = self.as_user(ambient)
            status = self.check_powerful(daemon, f"router-{ambient}")
            self.assertEqual((status["CapEff"], status["CapAmb"]), (bits(*DAEMONS), bits(*DAEMONS)))
            self.assertEqual(status["Uid"], "\t".join([str(NOBODY)] * 4))
            daemon.stop()

    def test_the_older_form_has_the_daemons_and_so_has_what_it_is_converted_to(self):
        self.older(self.status_to("status"), f"ip netns exec $NETNS sysctl {KEY}=1111 && true", "ip link add made0 type bridge")
        daemon = self.as_root()
        self.check_powerful(daemon, "router-older")
        converted = harness.run_binary("config", "convert", self.config_file)
        self.assertEqual((converted.returncode, converted.stdout.count("capabilities: daemon\n")), (0, 1))
        self.configure(converted.stdout)
        daemon.wait_metrics(lambda m: m.sum("config_reloads_total", result="success") == 1, "a reload")
        self.check_powerful(daemon, "router-converted")

    def test_a_reload_changes_it_for_the_next_command(self):
        changing = f"ip netns exec $NETNS sysctl -w {KEY}=1111"
        self.native(changing)
        daemon = self.as_root()
        wanted = ((None, (0, 1)), ("daemon", (1, 0)), ("none", (0, 1)))
        for reloads, (capabilities, result) in enumerate(wanted):
            if reloads:
                self.native(changing, capabilities=capabilities)
                daemon.wait_metrics(lambda m, n=reloads: m.sum("config_reloads_total", result="success") == n, "a reload")
            self.assertEqual(self.run_commands(daemon, 1, f"router-{reloads}"), result)

    def test_where_they_cannot_be_dropped_it_is_not_run_and_counts_as_failed(self):
        self.native(self.status_to("status"))
        injector = syscall_faults.Injector()
        self.addCleanup(injector.close)
        daemon = self.start(popen_options=injector.popen_options())
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            bounding = int(file.read()) + 2  # one more, to see that it is the last capability
        # The first prctl makes it a subreaper; the last two after those concern ptrace and new privileges.
        for call, position in (("capset", 1), ("prctl", 1 + bounding + 1), ("prctl", 1 + bounding + 2)):
            fault = syscall_faults.Fault(f"{call} (supervisor)", errno.EPERM, position)
            injector.arm(fault)
            self.assertEqual(self.run_commands(daemon, 1, f"router-{call}-{position}"), (0, 1))
            self.assertTrue(fault.fired)
        self.assertFalse(os.path.exists(os.path.join(self.out, "status")))
        self.assertEqual(daemon.scrape().sum("action_failures_total", action="command", reason="other"), 3)
        self.assertEqual({line["error"] for line in daemon.lines if line.get("msg") == "command failed"},
                         {"not run: cannot set its capabilities: Operation not permitted"})
        injector.arm()
        self.assertEqual(self.run_commands(daemon, 1, "router-well"), (1, 0))

    def test_it_cannot_get_at_the_memory_of_the_daemon_by_any_of_its_threads_nor_at_who_watches_over_it(self):
        pids = os.path.join(self.out, "pids")
        opened = f"for mem in $(cat {pids}) /proc/$PPID/mem; do (: <>$mem) 2>/dev/null && echo $mem; done >{self.out}/opened; true"
        self.native(opened)
        for start in (self.as_root, self.as_user):
            daemon = start()
            daemon.wait_sweeps()
            with open(pids, "w", encoding="ascii") as file:
                tasks = f"/proc/{daemon.process.pid}/task"
                threads = os.listdir(tasks)
                self.assertGreater(len(threads), 10)
                file.write(" ".join(f"{tasks}/{thread}/mem" for thread in threads))
            self.assertEqual(self.run_commands(daemon, 1, f"router-{start.__name__}"), (1, 0))
            with open(os.path.join(self.out, "opened"), encoding="ascii") as file:
                self.assertEqual(file.read(), "")
            os.unlink(os.path.join(self.out, "opened"))
            daemon.stop()

    def test_explain_shows_which_it_is(self):
        for capabilities, shown in ((None, "none"), ("daemon", "daemon")):
            self.native("true", capabilities=capabilities)
            explained = harness.run_binary("explain", "router-1", f"--config.file={self.config_file}", "--output=json")
            self.assertEqual([command["capabilities"] for command in json.loads(explained.stdout)["commands"]], [shown])


if __name__ == "__main__":
    harness.main()
