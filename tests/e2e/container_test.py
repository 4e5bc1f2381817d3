# SPDX-License-Identifier: Apache-2.0
"""As in a container, without an engine: the host's procfs at another path, capabilities from the program file, and the error
messages where either is missing. tests/packaging/image does the same with the image and real engines."""

import os
import shutil
import struct
import subprocess
import sys

import harness
from harness import add_netns, config, get, policy, put, run_binary

KEY = "net.ipv4.tcp_keepalive_time"
CAPABILITIES = {"net_broadcast": 11, "net_admin": 12, "sys_admin": 21}
PERMITTED_ONLY = 0x02000000  # VFS_CAP_REVISION_2, without VFS_CAP_FLAGS_EFFECTIVE


class Procfs(harness.Case):
    def setUp(self):
        super().setUp()
        self.host_procfs = os.path.join(self.directory, "host-proc")
        os.mkdir(self.host_procfs)
        self.configure(config(policy("routers", "^r", {KEY: 100})))
        # Makes the directory a shared mount, which is bound into the container.
        subprocess.run(["ip", "netns", "add", "r1"], check=True)
        # A killed container leaves nothing behind. The files of the netns that it saw remain.
        self.addCleanup(subprocess.run, ["ip", "netns", "delete", "r1"], check=False, stderr=subprocess.DEVNULL)

    def start_in_container(self, *arguments):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "in_container.py")
        return self.start(*arguments, interval="1h", prefix=[sys.executable, "-B", script, self.host_procfs])

    def ready(self, daemon):
        return daemon.http("GET", "/-/ready")[2].decode()

    def test_a_container_with_the_procfs_of_its_host_sees_what_others_write_at_once(self):
        daemon = self.start_in_container("--path.procfs", self.host_procfs)
        self.assertEqual(self.ready(daemon), "nswarden is ready.\n")
        put("r1", KEY, 7)
        self.wait_value("r1", KEY, 100)
        daemon.wait_metrics(lambda metrics: metrics.sum("drift_detected_total", source="event") == 1, "drift found by an event")

    def test_a_container_without_it_tells_that_it_sees_no_writes(self):
        daemon = self.start_in_container()
        words = "/proc is the container's own procfs, so writes of other processes are not visible; mount the host's /proc"
        self.assertIn(f"sysctl is down: {words}", self.ready(daemon))
        line = daemon.wait_log(lambda line: line.get("source") == "sysctl" and line.get("msg") == "event source down", "the source")
        self.assertIn(words, line["reason"])
        self.assertEqual(daemon.scrape().sum("event_source_up", source="sysctl"), 0)
        self.assertEqual(get("r1", KEY), "100")  # set nevertheless

    def test_where_procfs_is_read_only_it_tells_that_no_setting_can_be_set(self):
        procfs = os.path.join(self.directory, "read-only")
        os.mkdir(procfs)
        harness.mount("/proc", procfs, b"none", harness.MS_BIND)
        self.addCleanup(harness.umount, procfs)
        subprocess.run(["mount", "-o", "remount,bind,ro", procfs], check=True)
        daemon = self.start("--path.procfs", procfs)
        words = f"cannot set sysctls: {procfs}/sys/net is mounted read-only"
        self.assertIn(words, self.ready(daemon))
        self.assertIn(words, daemon.wait_log(lambda line: line.get("msg") == "cannot repair settings", "the reason")["reason"])
        auditing = self.start("--path.procfs", procfs, "--audit")
        self.assertEqual(self.ready(auditing), "nswarden is ready.\n")

    def test_what_is_no_procfs_is_refused_with_the_remedy(self):
        for arguments, environment, words in (
                (["--path.procfs=/nowhere"], {}, "cannot use --path.procfs /nowhere: open sys/net: No such file or directory"),
                ([], {"NSWARDEN_PROCFS": "/nowhere"}, "cannot use NSWARDEN_PROCFS /nowhere: open sys/net: No such file or directory"),
                (["--path.procfs", self.fake_procfs()], {}, "check sys/net: not a procfs"),
                (["--path.procfs", "proc"], {}, "invalid path 'proc', expected an absolute path")):
            status, _, told = self.outcome(run_binary("check", *arguments, environment=environment))
            self.assertEqual((status, told.count("\n")), (2, 1), told)
            self.assertIn(words, told)
        self.assertEqual(run_binary("config", "schema", environment={"NSWARDEN_PROCFS": "/nowhere"}).returncode, 0)
        self.assertEqual(run_binary("check", "--path.procfs=/proc", environment={"NSWARDEN_PROCFS": "/nowhere"}).returncode, 0)

    def fake_procfs(self):
        path = os.path.join(self.directory, "lookalike")
        os.makedirs(os.path.join(path, "sys/net"))
        return path

    @staticmethod
    def outcome(done):
        return done.returncode, done.stdout, done.stderr


class Hidden(harness.Case):
    """A procfs with ProtectProc= of systemd, or mounted with hidepid=."""

    def test_where_process_1_is_hidden_it_says_that_it_may_not_hear_of_writes(self):
        self.configure(config(policy("routers", "^r", {KEY: 100})))
        os.chmod(self.directory, 0o755)
        os.chmod(self.config_file, 0o644)
        hide = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\" \"$@\""
        few = "+sys_admin,+net_admin,+net_broadcast"
        daemon = self.start("--lock.file=" + os.path.join(self.lock_directory(), "lock"), prefix=[
            "unshare", "--mount", "sh", "-c", hide, "setpriv", "--reuid=9100", "--regid=9100", "--clear-groups",
            "--inh-caps=-all," + few, "--ambient-caps=-all," + few, "--bounding-set=-all," + few])
        daemon.wait_log(lambda line: "process 1 is hidden" in line.get("msg", ""), "that it cannot be sure")

    def lock_directory(self):
        path = os.path.join(self.directory, "locks")
        os.mkdir(path)
        os.chown(path, 9100, 9100)
        return path


class Pod(harness.Case):
    """A world-writable pod volume, as Kubernetes makes it for a group (fsGroup)."""

    def test_what_is_to_be_restored_outlives_the_container_in_a_folder_of_its_own(self):
        os.chmod(self.directory, 0o755)
        volume = os.path.join(self.directory, "volume")
        os.mkdir(volume)
        os.chown(volume, 0, 9100)
        os.chmod(volume, 0o2777)
        few = "+sys_admin,+net_admin,+net_broadcast"
        options = {"prefix": ["setpriv", "--reuid=9100", "--regid=9100", "--clear-groups", "--inh-caps=-all," + few, "--ambient-caps=-all," + few],
                   "environment": {"RUNTIME_DIRECTORY": os.path.join(volume, "own")}}
        add_netns("r1")
        before = get("r1", KEY)
        self.allow(config(policy("routers", "^r", {KEY: 100}, restore=True)))
        self.start(**options).stop()
        self.assertEqual(get("r1", KEY), "100")
        self.allow(config(policy("others", "^x", {KEY: 100})))
        self.start(**options)
        self.wait_value("r1", KEY, before)

    def allow(self, text):
        self.configure(text)
        os.chmod(self.config_file, 0o644)


class ProgramFile(harness.Case):
    """A copy of the program with file capabilities, as in the image, run by a user without capabilities."""

    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.program = os.path.join(self.directory, "nswarden")
        shutil.copy(harness.BINARY, self.program)
        mask = sum(1 << number for number in CAPABILITIES.values())
        try:
            os.setxattr(self.program, "security.capability", struct.pack("<5I", PERMITTED_ONLY, mask, 0, 0, 0))
        except OSError as error:
            self.skipTest(f"no capabilities of files: {error}")
        self.configure(config(policy("routers", "^r", {KEY: 100})))
        os.chmod(self.config_file, 0o644)
        add_netns("r1")

    def apply(self, *flags, by=()):
        """`by` is a command that executes the program once the flags are applied."""
        return subprocess.run(["setpriv", "--reuid=9100", "--regid=9100", "--clear-groups", "--inh-caps=-all", *flags, *by, self.program,
                               "apply", "--config.file", self.config_file], capture_output=True, encoding="utf-8", check=False,
                              stdin=subprocess.DEVNULL)

    def test_its_capabilities_are_enough(self):
        done = self.apply()
        self.assertEqual((done.returncode, get("r1", KEY)), (0, "100"), done.stderr)

    def test_where_they_are_not_in_the_bounding_set_it_says_which(self):
        done = self.apply("--bounding-set=-sys_admin")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("CAP_SYS_ADMIN is missing from the bounding set", done.stderr)

    def test_where_the_program_file_gives_nothing_it_says_why(self):
        # Holds only for a process without capabilities: with no_new_privs, the program file may still grant those that setpriv
        # had at its exec.
        done = self.apply(by=["setpriv", "--no-new-privs"])
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("CAP_SYS_ADMIN is missing: no_new_privs disables the capabilities of the program file", done.stderr)
        os.removexattr(self.program, "security.capability")
        done = self.apply()
        self.assertIn("CAP_SYS_ADMIN is missing; make it ambient", done.stderr)


if __name__ == "__main__":
    harness.main()
