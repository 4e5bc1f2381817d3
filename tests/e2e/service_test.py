# SPDX-License-Identifier: Apache-2.0
"""Notifications to the service manager by sd_notify(3), and HTTP probes."""

import os
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import DEADLINE, add_netns, config, get, inside, policy, wait_until, write_here
from tracer import Tracer

KEY = "net.ipv4.tcp_keepalive_time"


class Manager:
    """The service manager's end of $NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def next(self, name, deadline=DEADLINE):
        """The next notification with this variable, as {name: value}."""
        end = time.monotonic() + deadline
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            notice = dict(line.split("=", 1) for line in self.socket.recv(4096).decode("utf-8").splitlines())
            if name in notice:
                return notice

    def assert_no_notice(self, name, seconds):
        try:
            self.next(name, seconds)
            return False
        except (TimeoutError, BlockingIOError):
            return True

    def drain(self):
        self.assert_no_notice("NOTHING", 0.01)


class Service(harness.Case):
    def setUp(self):
        super().setUp()
        self.address = os.path.join(self.directory, "notify")
        self.manager = Manager(self.address)
        self.addCleanup(self.manager.socket.close)
        self.environment = {"NOTIFY_SOCKET": self.address}
        self.configure(config(policy("routers", "^router-", {KEY: 1234})))

    def test_it_is_ready_when_all_netns_are_right_and_http_says_so_too(self):
        names = [f"router-{number}" for number in range(50)]
        for name in names:
            add_netns(name)
        begun = []

        def check_ready_state():
            notice = self.manager.next("READY")
            begun.append((notice, [get(name, KEY) for name in names]))

        thread = threading.Thread(target=check_ready_state)
        thread.start()
        daemon = self.start(environment=self.environment)
        thread.join(DEADLINE)
        notice, values = begun[0]
        self.assertEqual(values, ["1234"] * len(names))
        self.assertEqual(notice, {"READY": "1", "STATUS": "50 settings in 50 netns, all compliant"})
        self.assertEqual(daemon.http("GET", "/-/ready")[0], 200)

    def test_a_reload_is_over_when_its_policy_is_in_force(self):
        for number in range(20):
            add_netns(f"router-{number}")
        self.start(environment=self.environment, interval="1h")
        self.manager.next("READY")
        before = time.monotonic_ns() // 1000
        self.configure(config(policy("routers", "^router-", {KEY: 4321})))
        begun = self.manager.next("RELOADING")
        self.assertGreaterEqual(int(begun["MONOTONIC_USEC"]), before)
        self.assertEqual(self.manager.next("READY")["READY"], "1")
        self.assertEqual({get(f"router-{number}", KEY) for number in range(20)}, {"4321"})

    def test_a_reload_ends_also_while_somebody_writes_all_the_time(self):
        names = [f"router-{number}" for number in range(4)]
        for name in names:
            add_netns(name)
            links = "".join(f"link add d{number} type veth peer name e{number}\n" for number in range(60))
            subprocess.run(["nsenter", f"--net=/run/netns/{name}", "ip", "-batch", "-"], input=links, text=True, check=True)
        globs = {f"net.ipv4.conf.*.{key}": 0 for key in ("accept_redirects", "secure_redirects", "proxy_arp", "arp_ignore")}
        self.configure(config(policy("routers", "^router-", {**globs, KEY: 1234})))
        daemon = self.start(environment=self.environment, interval="1h")
        self.manager.next("READY")
        stop = threading.Event()

        def write():
            while not stop.wait(0.003):
                write_here(KEY, 1234)

        writer = threading.Thread(target=lambda: inside("router-3", write))
        writer.start()
        try:
            for _ in range(6):
                daemon.signal(signal.SIGHUP)
                self.manager.next("RELOADING")
                self.manager.next("READY")
        finally:
            stop.set()
            writer.join(DEADLINE)

    def test_it_is_ready_only_when_writes_that_wait_for_rtnl_are_made(self):
        keys = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": 1, "net.ipv6.conf.all.forwarding": 1}
        self.configure(config(policy("routers", "^router-", keys)))
        for number in range(60):
            add_netns(f"router-{number}")
        self.start(environment=self.environment)
        self.assertEqual(self.manager.next("READY")["STATUS"], "180 settings in 60 netns, all compliant")

    def test_a_reload_that_is_refused_is_over_too_and_the_status_says_so(self):
        daemon = self.start(environment=self.environment, interval="1h")
        self.manager.next("READY")
        self.configure("version: 1\npolicies: [\n")
        daemon.signal(signal.SIGHUP)
        self.manager.next("RELOADING")
        ready = self.manager.next("READY")
        self.assertIn("configuration rejected, keeping the previous one", ready["STATUS"])

    def test_the_status_tells_what_is_wrong_and_its_end_is_told(self):
        self.configure(config(policy("routers", "^router-", {KEY: 1234}, "audit")))
        daemon = self.start(environment=self.environment)
        self.manager.next("READY")
        add_netns("router-1")
        wait_until(lambda: self.manager.next("STATUS")["STATUS"] == "1 settings in 1 netns, 1 not compliant", "the new status")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.manager.next("STOPPING")["STOPPING"], "1")

    def test_the_watchdog_is_fed_also_between_sweeps_and_not_when_the_loop_hangs(self):
        environment = {**self.environment, "WATCHDOG_USEC": "400000"}
        daemon = self.start(environment=environment, interval="1h")
        for _ in range(3):
            self.manager.next("WATCHDOG")
        # The first thread is the loop. The others continue.
        with Tracer(daemon.process.pid):
            self.manager.drain()
            self.assertTrue(self.manager.assert_no_notice("WATCHDOG", 0.5))
            self.assertEqual(daemon.http("GET", "/metrics")[0], 200)
        self.manager.next("WATCHDOG")

    def test_the_watchdog_of_another_process_is_left_alone(self):
        environment = {**self.environment, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
        self.start(environment=environment, interval="1h")
        self.manager.next("READY")
        self.assertTrue(self.manager.assert_no_notice("WATCHDOG", 0.5))

    def test_it_runs_where_the_manager_does_not_listen_and_says_so(self):
        self.manager.socket.close()
        add_netns("router-1")
        daemon = self.start(environment=self.environment)
        self.wait_value("router-1", KEY, 1234)
        daemon.wait_log(lambda line: "cannot notify the service manager" in line.get("msg", ""), "that nobody listens")


class HealthCheck(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: 1234})))

    def ask(self, url, *arguments):
        result = harness.run_binary("healthcheck", f"--url={url}", *arguments, prefix=harness.UNPRIVILEGED)
        return result.returncode, result.stdout, result.stderr

    def test_a_daemon_that_is_ready_is_healthy_also_with_drift_and_without_some_source(self):
        self.configure(config(policy("routers", "^router-", {KEY: 1234}, "audit")))
        add_netns("router-1")
        daemon = self.start()
        code, out, err = self.ask(f"http://{daemon.address}")
        self.assertEqual((code, out.splitlines()[0], err), (0, "nswarden is ready.", ""))

    def test_what_is_not_ready_or_no_nswarden_is_not_healthy_and_why_is_told(self):
        answers = {"503 Service Unavailable": "not healthy: so\n", "404 Not Found": "nothing\n"}
        expected = {"503 Service Unavailable": ("not healthy: so\n", ""),
                    "404 Not Found": ("", "/-/healthy has HTTP status 404")}
        for status, body in answers.items():
            with self.subTest(status), socket.create_server(("127.0.0.1", 0)) as server:
                def serve(server=server, status=status, body=body):
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

                thread = threading.Thread(target=serve)
                thread.start()
                code, out, err = self.ask(f"http://127.0.0.1:{server.getsockname()[1]}")
                thread.join(DEADLINE)
                self.assertEqual((code, out), (1, expected[status][0]))
                self.assertIn(expected[status][1], err)

    def test_without_a_daemon_and_with_mistakes_it_says_what_to_do(self):
        code, _, err = self.ask("http://127.0.0.1:1", "--timeout=1s")
        self.assertEqual(code, 1)
        self.assertIn("start nswarden, or set --url", err)
        code, _, err = self.ask("localhost")
        self.assertEqual(code, 2)
        self.assertIn("expected for example http://", err)


if __name__ == "__main__":
    harness.main()
