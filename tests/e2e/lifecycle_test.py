# SPDX-License-Identifier: Apache-2.0
"""Start, refusal to start, shutdown, and SIGKILL."""

import os
import signal
import socket
import subprocess
import time

import harness
from harness import BINARY, UNPRIVILEGED, add_netns, config, get, policy, put, run_binary

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class Ending(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))
        add_netns("router-1")

    def end(self, daemon, number):
        began = time.monotonic()
        daemon.signal(number)
        self.assertEqual(daemon.process.wait(harness.DEADLINE), 0)
        self.assertLess(time.monotonic() - began, 2)

    def test_sigterm_and_sigint_end_it_with_0_within_2_seconds(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.end(self.start(), number)

    def test_sigterm_ends_it_while_clients_keep_idle_connections(self):
        daemon = self.start()
        host, port = daemon.address.rsplit(":", 1)
        clients = [socket.create_connection((host, int(port))) for _ in range(8)]
        try:
            clients[0].sendall(b"GET /metrics HTTP/1.1\r\n")  # an incomplete request
            self.end(daemon, signal.SIGTERM)
        finally:
            for client in clients:
                client.close()

    def test_a_stderr_that_nobody_reads_stops_nothing(self):
        out, into = os.pipe()
        # Read the port from the first lines, then stop reading until the pipe is full.
        process = subprocess.Popen([BINARY, "run", f"--config.file={self.config_file}", "--web.listen-address=127.0.0.1:0",
                                    "--log.level=debug", "--log.format=json", "--reconcile.interval=100ms"],
                                   stdin=subprocess.DEVNULL, stderr=into)
        try:
            self.wait_value("router-1", KEY, WANT)
            os.set_blocking(into, False)  # a flag of the open file, which the daemon shares: fills the pipe without blocking
            try:
                while True:
                    os.write(into, b"x" * 4096)
            except BlockingIOError:
                pass
            os.set_blocking(into, True)
            for number in range(300):
                add_netns(f"router-noise-{number}")
            for number in range(300):
                self.wait_value(f"router-noise-{number}", KEY, WANT)
            put("router-1", KEY, 5)
            self.wait_value("router-1", KEY, WANT)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(harness.DEADLINE), 0)
            self.assertLess(time.monotonic() - began, 2)
        finally:
            process.kill()
            process.wait()
            os.close(out)
            os.close(into)

    def test_a_stderr_whose_reader_has_gone_stops_nothing(self):
        out, into = os.pipe()
        process = subprocess.Popen([BINARY, "run", f"--config.file={self.config_file}", "--web.listen-address=127.0.0.1:0",
                                    "--log.level=debug", "--reconcile.interval=100ms"], stdin=subprocess.DEVNULL, stderr=into)
        os.close(into)
        os.close(out)
        try:
            self.wait_value("router-1", KEY, WANT)
            put("router-1", KEY, 5)
            self.wait_value("router-1", KEY, WANT)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(harness.DEADLINE), 0)
        finally:
            process.kill()
            process.wait()

    def test_after_kill_9_a_new_one_takes_over_and_nothing_is_left_of_the_old(self):
        daemon = self.start()
        port = daemon.address.rsplit(":", 1)[1]
        daemon.kill()
        put("router-1", KEY, 5)
        add_netns("router-2")
        daemon = self.start(f"--web.listen-address=127.0.0.1:{port}")  # the same port, immediately
        for name in ("router-1", "router-2"):
            self.assertEqual(get(name, KEY), str(WANT))
        self.assertEqual(daemon.scrape().sum("netns"), 2)

    def test_a_daemon_that_is_stopped_and_continued_catches_up(self):
        daemon = self.start()
        daemon.signal(signal.SIGSTOP)
        for number in range(50):
            add_netns(f"router-late-{number}")
        put("router-1", KEY, 5)
        daemon.signal(signal.SIGCONT)
        for number in range(50):
            self.wait_value(f"router-late-{number}", KEY, WANT)
        self.wait_value("router-1", KEY, WANT)


class RefusingToStart(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: WANT})))

    def refused(self, *arguments, prefix=(), lines=1):
        """Its stderr when it exits with status 2."""
        done = run_binary("run", "--web.listen-address=127.0.0.1:0", *arguments, prefix=prefix)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        if lines:
            self.assertEqual(done.stderr.count("\n"), lines, done.stderr)
        return done.stderr

    def good(self, *arguments):
        return f"--config.file={self.config_file}", *arguments

    def test_without_privilege_it_says_which_capability_it_wants(self):
        self.assertRegex(self.refused(*self.good(), prefix=UNPRIVILEGED), "CAP_SYS_ADMIN")

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assertIn(address, self.refused(*self.good(f"--web.listen-address={address}")))

    def test_a_listen_address_that_is_none_is_named(self):
        for address in ("nonsense", "127.0.0.1:99999", "300.1.2.3:80", "[::1:80", ""):
            with self.subTest(address):
                self.refused(*self.good(f"--web.listen-address={address}"))

    def test_an_unknown_flag_is_named(self):
        self.assertIn("--no-such-flag", self.refused(*self.good("--no-such-flag")))

    def test_a_bad_value_of_a_flag_is_named(self):
        for flag in ("--reconcile.interval=soon", "--reconcile.interval=1ms", "--log.level=loud", "--log.format=xml",
                     "--netns.dir=relative/path"):
            with self.subTest(flag):
                self.assertIn(flag.split("=")[0], self.refused(*self.good(flag)))

    def test_a_named_file_that_is_absent_or_no_file_is_named(self):
        for path in (os.path.join(self.directory, "absent.yaml"), self.directory, "/dev/null"):
            with self.subTest(path):
                self.assertIn(path, self.refused(f"--config.file={path}"))

    def test_a_file_that_cannot_be_read_is_named(self):
        os.chmod(self.config_file, 0)
        os.chmod(self.directory, 0o755)
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
        os.chown(self.config_file, 65534, 65534)
        self.assertIn(self.config_file, self.refused(*self.good(), prefix=prefix))

    def test_a_misspelt_field_is_told_with_its_place_and_a_suggestion(self):
        self.configure("version: 1\npolicies:\n  - name: a\n    netns: ^b\n    sysctl:\n      net.ipv4.ip_forward: 1\n")
        said = self.refused(*self.good(), lines=None)
        self.assertIn(f"{self.config_file}:5:5: ", said)
        self.assertIn("sysctls", said)


if __name__ == "__main__":
    harness.main()
