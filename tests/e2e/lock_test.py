# SPDX-License-Identifier: Apache-2.0
"""Two daemons for one directory: the second is refused, by any path, until the first has ended."""

import os
import signal
import stat

import harness
from harness import NETNS_DIR, add_netns, config, get, policy, put, run_binary, wait_until

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234
RUNTIME_DIR = "/run/nswarden"
SECOND = "/run/second"
LATER = "/run/later"
MS_RDONLY = 1
MS_REC = 16384


class LockCase(harness.Case):
    def setUp(self):
        super().setUp()
        os.environ.pop("RUNTIME_DIRECTORY", None)
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))

    def refused(self, *arguments, directory=NETNS_DIR, **options):
        """The stderr of a second daemon that exits with status 2."""
        done = run_binary("run", "--web.listen-address=127.0.0.1:0", f"--config.file={self.config_file}",
                          f"--netns.dir={directory}", *arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def no_lock(self, daemon):
        return [line for line in daemon.lines if "would go undetected" in line["msg"]]


class Lock(LockCase):
    def setUp(self):
        super().setUp()
        add_netns("router-1")

    def test_a_second_one_is_refused_with_the_directory_the_holder_and_a_remedy_and_writes_nothing(self):
        first = self.start(interval="1h")
        first.signal(signal.SIGSTOP)
        put("router-1", KEY, 5)
        said = self.refused()
        for part in (NETNS_DIR, f"pid {first.process.pid}", RUNTIME_DIR, "--audit"):
            self.assertIn(part, said)
        self.assertEqual(get("router-1", KEY), "5")
        first.signal(signal.SIGCONT)

    def test_it_is_refused_under_any_other_name_of_the_directory(self):
        os.makedirs("/run/bound")
        harness.mount(NETNS_DIR, "/run/bound", b"none", harness.MS_BIND)
        os.symlink("/run", f"{self.directory}/link")
        first = self.start()
        for directory in ("/run/bound", f"{self.directory}/link/netns", "/run//netns/"):
            with self.subTest(directory):
                self.assertIn(f"pid {first.process.pid}", self.refused(directory=directory))
        self.assertIn(NETNS_DIR, self.refused(f"--netns.dir={SECOND}"))  # one of the two is locked

    def test_a_directory_given_twice_is_no_second_daemon(self):
        os.symlink("/run", f"{self.directory}/link")
        first = self.start(netns_dirs=[NETNS_DIR, NETNS_DIR, f"{self.directory}/link/netns"])
        self.refused()
        self.assertEqual(self.no_lock(first), [])

    def test_another_directory_has_a_lock_of_its_own(self):
        add_netns("router-2", SECOND)
        self.start()
        second = self.start(netns_dirs=[SECOND])
        self.wait_value("router-2", KEY, WANT, SECOND)
        self.assertIn(f"pid {second.process.pid}", self.refused(directory=SECOND))

    def test_one_that_only_audits_runs_beside_it_and_keeps_nobody_out(self):
        audit = self.start("--audit")
        first = self.start()
        self.wait_value("router-1", KEY, WANT)
        self.start("--audit", f"--lock.file={self.directory}/nowhere/lock")
        audit.stop()
        self.assertIn(f"pid {first.process.pid}", self.refused())

    def test_one_shot_commands_take_no_lock_and_need_none(self):
        first = self.start(interval="1h")
        put("router-1", KEY, 5)
        self.assertEqual(run_binary("apply", f"--config.file={self.config_file}").returncode, 0)
        first.stop()
        self.start()

    def test_after_sigterm_and_after_sigkill_the_next_one_starts_at_once(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon = self.start()
            daemon.signal(number)
            daemon.process.wait(harness.DEADLINE)
            self.start().stop()

    def test_after_sigkill_the_next_one_starts_also_while_a_command_of_the_old_one_holds_on(self):
        # Stopped, so that neither the command nor its supervisor can end early.
        pids = os.path.join(self.directory, "pids")
        text = config(policy("routers", "^router-", {KEY: WANT}))
        self.configure(text + f"    commands:\n      startup: ['echo $$ $PPID >{pids}.new; mv {pids}.new {pids}; exec sleep 60']\n")
        daemon = self.start()
        wait_until(lambda: os.path.exists(pids), "the command")
        with open(pids, encoding="ascii") as file:
            command, supervisor = map(int, file.read().split())
        with open(f"/proc/{supervisor}/stat", encoding="ascii") as file:
            server = int(file.read().rpartition(")")[2].split()[1])
        held = (command, supervisor, server)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            daemon.kill()
            for pid in held:
                os.kill(pid, 0)
            self.configure(text)
            self.start()
        finally:
            for pid in held:
                os.kill(pid, signal.SIGKILL)

    def test_a_lock_file_that_was_named_is_the_only_one(self):
        named = os.path.join(self.directory, "lock")
        first = self.start(f"--lock.file={named}")
        self.assertFalse(os.path.exists(RUNTIME_DIR))
        said = self.refused(f"--lock.file={named}", directory=SECOND)
        for part in (named, f"pid {first.process.pid}"):
            self.assertIn(part, said)
        self.start(netns_dirs=[SECOND])

    def test_a_lock_file_that_was_named_and_cannot_be_had_is_named_with_the_reason(self):
        link = os.path.join(self.directory, "link")
        os.symlink(self.config_file, link)
        for path, reason in ((f"{self.directory}/nowhere/lock", "No such file"), (self.directory, "directory"),
                             (link, "symbolic link"), ("/dev/null", "not a regular file")):
            with self.subTest(path):
                said = self.refused(f"--lock.file={path}")
                self.assertIn("--lock.file", said)
                self.assertIn(path, said)
                self.assertIn(reason, said)

    def test_the_runtime_directory_of_the_service_is_used_and_the_first_of_several(self):
        first = self.start(environment={"RUNTIME_DIRECTORY": f"{self.directory}/first:{self.directory}/second"})
        self.assertEqual(len(os.listdir(os.path.join(self.directory, "first"))), 1)
        self.assertFalse(os.path.exists(RUNTIME_DIR))
        said = self.refused(environment={"RUNTIME_DIRECTORY": f"{self.directory}/first"})
        self.assertIn(f"pid {first.process.pid}", said)

    def test_without_a_place_for_its_lock_it_says_so_once_and_runs(self):
        os.mkdir("/run/ro")
        harness.mount("tmpfs", "/run/ro", b"tmpfs", MS_RDONLY)
        for place in ("/run/ro", "/run/ro/nswarden"):
            daemon = self.start(environment={"RUNTIME_DIRECTORY": place})
            self.wait_value("router-1", KEY, WANT)
            daemon.wait_sweeps()
            told = self.no_lock(daemon)
            self.assertEqual([(line["level"], line["directory"]) for line in told], [("warn", NETNS_DIR)])
            self.assertIn("Read-only", told[0]["error"])
            daemon.stop()

    def test_the_lock_files_are_for_their_owner_only(self):
        self.start()
        self.assertEqual(stat.S_IMODE(os.stat(RUNTIME_DIR).st_mode), 0o755)
        modes = [stat.S_IMODE(os.stat(os.path.join(RUNTIME_DIR, name)).st_mode) for name in os.listdir(RUNTIME_DIR)]
        self.assertEqual(modes, [0o600])


class DirectoryThatComes(LockCase):
    """The lock is on the path while the directory is absent, on the directory as soon as it exists, and on the new one after
    a replacement. Sweeps are rare: only events report the change."""

    def setUp(self):
        super().setUp()
        self.first = self.start(interval="1h", netns_dirs=[LATER])

    def wait_lock(self, directory):
        number = os.stat(directory).st_ino
        wait_until(lambda: any(name.endswith(f"-{number}.lock") for name in os.listdir(RUNTIME_DIR)), f"a lock for {directory}")

    def test_it_is_locked_before_and_after_it_came(self):
        self.assertIn(f"pid {self.first.process.pid}", self.refused(directory=LATER))
        self.assertIn(f"pid {self.first.process.pid}", self.refused(directory="/run//later"))
        os.mkdir(LATER)
        self.wait_lock(LATER)
        self.assertIn(f"pid {self.first.process.pid}", self.refused(directory=LATER))
        os.symlink(LATER, f"{self.directory}/link")
        self.assertIn(f"pid {self.first.process.pid}", self.refused(directory=f"{self.directory}/link"))
        os.rmdir(LATER)
        wait_until(lambda: self.refused(directory=LATER), "the lock of its path again")

    def test_one_that_was_moved_away_is_free_for_others(self):
        os.mkdir(LATER)
        self.wait_lock(LATER)
        os.rename(LATER, SECOND)
        os.mkdir(LATER)
        self.wait_lock(LATER)
        self.assertIn(f"pid {self.first.process.pid}", self.refused(directory=LATER))
        self.start(netns_dirs=[SECOND])

    def test_one_that_comes_and_is_governed_already_is_told_and_governed_all_the_same(self):
        add_netns("router-1", SECOND)
        second = self.start(netns_dirs=[SECOND])
        os.mkdir(LATER)
        harness.mount(SECOND, LATER, b"none", harness.MS_BIND | MS_REC)
        told = self.first.wait_log(lambda line: "another nswarden instance governs" in line["msg"], "that another one governs it")
        self.assertEqual(told["directory"], LATER)
        self.assertIn(f"pid {second.process.pid}", told["holder"])
        self.first.wait_metrics(lambda metrics: metrics.sum("netns") == 1, "its netns")
        self.first.signal(signal.SIGHUP)
        self.first.wait_metrics(lambda metrics: metrics.sum("reconciles_total", trigger="reload") == 1, "a sweep")
        self.assertEqual(sum("another nswarden instance governs" in line["msg"] for line in self.first.lines), 1)


if __name__ == "__main__":
    harness.main()
