# SPDX-License-Identifier: Apache-2.0
"""`nswarden status`: its terminal output for a running daemon, and its errors if another program or none responds."""

import json
import os
import re
import socket
import subprocess
import time

import harness
import stranger
from harness import add_netns, config, policy, put, run_binary, wait_until
from status_case import KEY, WANT, StatusCase

HOSTILE = ["router-\x1b[31mred", "router-\nrow", "router-\u202eltr", "router-<script>", "router-\\x1b", "router-\x9b2J"]


class WithDaemon(StatusCase):
    def test_a_compliant_daemon_is_success_in_a_shell(self):
        daemon = self.governed()
        done = subprocess.run(["sh", "-c", f"{harness.BINARY} status && echo well"], capture_output=True, encoding="utf-8",
                              env={**os.environ, "NSWARDEN_URL": f"http://{daemon.address}"}, timeout=60, check=True)
        lines = done.stdout.splitlines()
        self.assertEqual((lines[0], lines[-1]), ("compliant: 1 setting in 1 netns", "well"))
        self.assertEqual(lines[1], "1 netns, 1 setting: 1 compliant, 0 drifted, 0 missing, 0 unreadable; 1 fixed, 0 failed since the start")
        self.assertRegex(lines[2], r"^daemon: ready, last sweep \d+s ago$")
        self.assertRegex(lines[3], rf"^configuration: {re.escape(self.config_file)}, loaded \d+s ago, sha256 [0-9a-f]{{12}}$")
        self.assertRegex(lines[4], r"^events from: .*inotify")
        self.assertIn("routers  enforce  1      1         0        0          0", lines)
        self.assertTrue([line for line in lines if re.fullmatch(
            rf"20\S+Z +repair +router-1 +{re.escape(KEY)} +{WANT} +7200 +startup +- +-", line)], done.stdout)
        self.assert_harmless(done.stdout)

    def test_a_drifted_setting_is_exit_1_with_want_have_and_policy(self):
        result = self.of(self.governed("audit"))
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        self.assertEqual(result.stdout.splitlines()[0], "NOT compliant: 1 setting in 1 netns")
        self.assertRegex(result.stdout, rf"\nrouter-1 +{re.escape(KEY)} +{WANT} +7200 +drifted +\d+s ago +- +routers\n")

    def test_a_missing_key_is_exit_1_too(self):
        self.configure(config(policy("routers", "^router-", {"net.ipv4.conf.gone0.rp_filter": 1})))
        add_netns("router-1")
        result = self.of(self.start())
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"gone0\.rp_filter +1 +- +missing ")

    def test_a_program_that_fights_is_named(self):
        daemon = self.governed("enforce", "--repair.budget=1", "--repair.window=1m")

        def start_fight():
            put("router-1", KEY, 5)
            return daemon.scrape().sum("suspended_sysctls") == 1

        wait_until(start_fight, "suspended")

        def status_of_drift():
            put("router-1", KEY, 5)
            result = self.of(daemon)
            return result if "drifted (suspended)" in result.stdout else None

        result = wait_until(status_of_drift, "the suspended setting as a finding")
        with open("/proc/self/comm", encoding="utf-8") as file:
            comm = file.read().strip()
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, rf"\nrouter-1 +{re.escape(KEY)} +{WANT} +5 +drifted \(suspended\) +\S+ ago +{comm}\[{os.getpid()}\] ")
        self.assertRegex(result.stdout, r"\n20\S+Z +suspend +router-1 .*retry in ")

    def test_hostile_names_move_nothing_and_select(self):
        daemon = self.governed("audit", names=HOSTILE)
        result = self.of(daemon)
        self.assertEqual(result.stdout.splitlines()[0], f"NOT compliant: {len(HOSTILE)} settings in {len(HOSTILE)} netns")
        self.assert_harmless(result.stdout)
        self.assertIn("\nrouter-\\x1b[31mred  ", result.stdout)
        self.assertIn("\nrouter-<script>  ", result.stdout)
        shown = json.loads(daemon.http("GET", "/api/v1/status")[2])["findings"]
        self.assertEqual(len({finding["netns"] for finding in shown}), len(HOSTILE))
        for name in HOSTILE:
            result = self.of(daemon, "--events=0", name)
            self.assertEqual(result.stdout.splitlines()[0], "NOT compliant: 1 setting in 1 netns", name)
            self.assert_harmless(result.stdout)
        result = self.of(daemon, "--output=json", "router-\\x1b[31mred")
        self.assertEqual([finding["netns"] for finding in json.loads(result.stdout)["findings"]], ["router-\\x1b[31mred"])

    def test_a_netns_that_is_named_is_judged_alone(self):
        daemon = self.governed("audit", names=["router-1", "router-2"])
        put("router-2", KEY, WANT)
        daemon.wait_metrics(lambda m: m.sum("drifted_sysctls") == 1, "one is right")
        wait_until(lambda: "1 drifted" in self.of(daemon).stdout, "that in the status")
        wrong = self.of(daemon, "router-1")
        right = self.of(daemon, "router-2")
        both = self.of(daemon, "router-2", "router-1")
        self.assertEqual((wrong.returncode, right.returncode, both.returncode), (1, 0, 1))
        self.assertTrue(right.stdout.startswith("no findings in router-2; "), right.stdout)
        self.assertNotIn("router-1", right.stdout)
        self.assertIn("\nrouter-1 ", both.stdout)
        chosen = json.loads(self.of(daemon, "--output=json", "router-2").stdout)
        self.assertEqual((chosen["compliant"], chosen["findings"]), (True, []))
        self.assertEqual({event["netns"] for event in chosen["events"]}, {"router-2"})

    def test_json_is_the_daemons_own_report_with_its_events(self):
        daemon = self.governed("audit")
        result = self.of(daemon, "--output=json", "--events=1")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.count("\n"), 1)
        status_of_drift = json.loads(result.stdout)
        served = json.loads(daemon.http("GET", "/api/v1/status")[2])
        events = json.loads(daemon.http("GET", "/api/v1/events")[2])["events"]
        self.assertEqual(list(status_of_drift), [*served, "events"])
        for field in ("schema", "compliant", "totals", "findings", "policies", "config"):
            self.assertEqual(status_of_drift[field], served[field])
        self.assertEqual(status_of_drift["events"], events[-1:])
        self.assertEqual(json.loads(self.of(daemon, "--output=json", "--events=0").stdout)["events"], [])

    def test_a_refused_reload_and_audit_are_told(self):
        daemon = self.governed("enforce", "--audit")
        self.configure("version: 1\npolicies: nonsense\n")
        wait_until(lambda: "last reload rejected " in self.of(daemon).stdout, "the refusal")
        text = self.of(daemon).stdout
        self.assertRegex(text, rf"\nlast reload rejected \d+s ago: {re.escape(self.config_file)}:2:")
        self.assertIn("\naudit: no policy writes", text)
        self.assertRegex(text, r"\n20\S+Z +reload_failure +- ")

    def test_it_needs_no_privilege_and_asks_no_proxy(self):
        daemon = self.governed()
        proxy = {name: "http://127.0.0.1:1" for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *harness.UNPRIVILEGED[1:]]
        os.chmod(self.directory, 0o755)
        binary = os.path.join(self.directory, "nswarden")
        subprocess.run(["cp", harness.BINARY, binary], check=True)
        done = subprocess.run([*nobody, binary, "status", f"--url=http://{daemon.address}"], env={**os.environ, **proxy},
                              capture_output=True, encoding="utf-8", timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("compliant: "))

    def test_ipv6_and_names_are_addresses_too(self):
        daemon = self.governed()
        self.assertEqual(self.status(f"http://localhost:{daemon.address.rsplit(':', 1)[1]}").returncode, 0)
        hosts = []

        def answer(connection):
            path, headers = stranger.request_of(connection)
            hosts.append(headers["host"])
            connection.sendall(stranger.response(daemon.http("GET", path)[2]))

        port = self.stranger(answer, host="::1").port
        self.assertEqual(self.status(f"http://[::1]:{port}/").returncode, 0)
        self.assertEqual(hosts, [f"[::1]:{port}"] * 2)


class WithoutDaemon(StatusCase):
    def test_nobody_listens(self):
        result = run_binary("status")
        self.assertEqual(self.refused(result), "nswarden: cannot reach http://127.0.0.1:10042: Connection refused; "
                                               "start nswarden, or set --url\n")
        self.refused(run_binary("status", "--output=json"), "cannot reach")
        self.refused(self.status("http://no-such-host.invalid"), "cannot reach http://no-such-host.invalid:80: name lookup ")

    def test_something_else_listens(self):
        said = {
            b"SSH-2.0-OpenSSH_9.2\r\n": "not HTTP",
            b"": "without a response",
            b"HTTP/1.1 200 OK\r\nContent-Le": "incomplete",
            stranger.response(b"gone", 404): "/api/v1/status has HTTP status 404",
            stranger.response(b"", 302, "Location: /elsewhere\r\n"): "HTTP status 302",
            stranger.response(b"<html>\x1b[2J</html>"): "not JSON",
            stranger.response(b'"nswarden"'): "it is not an object",
            stranger.response(b'{"status":"success"}'): "schema is missing",
            stranger.response(b'{"schema":2}'): "it has schema 2",
            stranger.response(b"[" * 1000000): "nested too deeply",
            stranger.response(b"{}", 200, "Content-Encoding: \x1b[2J\r\n"): "encoding that was not requested (\\x1b[2J)",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": "(chunked)",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n": "more than 16777216 bytes",
        }
        for bytes_, text in said.items():
            server = self.stranger(stranger.sends(bytes_))
            line = self.refused(self.status(f"http://127.0.0.1:{server.port}"), f"unexpected response from http://127.0.0.1:{server.port}: ", text)
            self.assert_harmless(line)

    def test_an_answer_without_end_is_given_up(self):
        def flood(connection):
            stranger.request_of(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b" " * 1000000)

        server = self.stranger(flood)
        self.refused(self.status(f"http://127.0.0.1:{server.port}", "--timeout=20s"), "more than 16777216 bytes")

    def test_an_answer_that_is_cut_short_is_no_answer(self):
        body = b'{"schema":1}'
        server = self.stranger(stranger.sends(stranger.response(body)[:-4]))
        self.refused(self.status(f"http://127.0.0.1:{server.port}"), f"the response is incomplete: {len(body) - 4} of {len(body)} bytes")

    def test_a_slow_server_costs_the_timeout_and_no_more(self):
        def silent(connection):
            connection.recv(65536)
            connection.recv(65536)  # until the client disconnects

        def dripping(connection):
            stranger.request_of(connection)
            for byte in stranger.response(b"{}" * 100):
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

        for answer in (silent, dripping):
            server = self.stranger(answer)
            began = time.monotonic()
            self.refused(self.status(f"http://127.0.0.1:{server.port}", "--timeout=500ms"),
                         f"no response from http://127.0.0.1:{server.port} within 500ms; raise --timeout")
            self.assertGreater(time.monotonic() - began, 0.45)
            self.assertLess(time.monotonic() - began, 8)

    def test_a_connection_that_nobody_accepts_times_out(self):
        # Packets to this neighbour reach an interface with another address, and remain unanswered.
        subprocess.run(["ip", "link", "add", "hole", "type", "veth", "peer", "name", "bottom"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "hole"], check=True)
        subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "hole"], check=True)
        for end in ("hole", "bottom"):
            subprocess.run(["ip", "link", "set", end, "up"], check=True)
        subprocess.run(["ip", "neigh", "add", "192.0.2.2", "lladdr", "02:00:00:00:00:01", "dev", "hole"], check=True)
        began = time.monotonic()
        self.refused(self.status("http://192.0.2.2:10042", "--timeout=500ms"), "cannot reach http://192.0.2.2:10042: Connection timed out")
        self.assertLess(time.monotonic() - began, 8)

    def test_a_name_server_that_is_silent_costs_the_timeout_and_no_more(self):
        resolv = os.path.join(self.directory, "resolv.conf")
        with open(resolv, "w", encoding="ascii") as file:
            file.write("nameserver 127.0.0.1\n")
        harness.mount(resolv, "/etc/resolv.conf", None, harness.MS_BIND)
        self.addCleanup(harness.umount, "/etc/resolv.conf")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 53))
            began = time.monotonic()
            self.refused(self.status("http://node-7.example", "--timeout=500ms"),
                         "cannot reach http://node-7.example:80: name lookup timed out")
            self.assertLess(time.monotonic() - began, 8)

    def test_a_hostile_daemon_sends_no_escapes_to_the_terminal(self):
        bad = "\x1b]0;title\x07\x9b2J\u202e\nfake  row\r"
        writer = {"pid": 7, "comm": bad, "exe": bad, "unit": bad}
        finding = {"netns": bad, "policy": bad, "key": bad, "want": bad, "have": bad, "state": bad, "reason": bad, "error": bad,
                   "since": 1e300, "writer": writer}
        source = {"name": bad, "up": False, "reason": bad}
        status = {"schema": 1, "compliant": True, "ready": True, "time": 0, "last_reconcile": -1e300, "findings_hidden": 3,
                  "totals": {"netns": 1, "settings": 1, "compliant": 0, "drifted": 1, "missing": 0, "unreadable": 0, "fixed": 0,
                             "failed": 0},
                  "findings": [finding, {**finding, "key": "k" * 1000000}], "sources": [source], "unlisted": [source],
                  "policies": [{"name": bad, "mode": bad, "netns": 1, "settings": 1, "drifted": 1, "suspended": 0, "conflicts": 0}],
                  "config": {"source": bad, "sha256": bad, "loaded": 1, "error": bad, "failed": 1, "audit": True, "newer": bad}}
        events = {"schema": 1, "events": [{**finding, "time": 1e300, "event": bad, "source": bad, "retry_in_seconds": 2**63}]}
        server = self.stranger(stranger.sends_documents(status, events))
        for arguments in ((), ("--output=json",)):
            result = self.status(f"http://127.0.0.1:{server.port}", *arguments)
            self.assertEqual((result.returncode, result.stderr), (1, ""))
            self.assert_harmless(result.stdout)
        self.assertLess(len(self.status(f"http://127.0.0.1:{server.port}").stdout), 20000)

    def test_a_daemon_that_is_not_ready_or_cannot_read_is_exit_3(self):
        totals = {"netns": 1, "settings": 1, "compliant": 1, "drifted": 0, "missing": 0, "unreadable": 0, "fixed": 0, "failed": 0}
        status = {"schema": 1, "ready": False, "last_reconcile": 0, "findings_hidden": 0, "totals": totals, "findings": [], "sources": [],
                  "unlisted": [], "policies": [], "config": {"source": "x", "sha256": "", "loaded": 1, "audit": False}}
        unreadable = {"netns": "a", "policy": "p", "key": "k", "want": "1", "have": None, "state": "unreadable", "since": 1,
                      "error": "Input/output error"}
        cases = {
            "not ready: the first sweep is not done": {},
            "unreadable: 1 setting in 1 netns": {"ready": True, "totals": {**totals, "compliant": 0, "unreadable": 1},
                                                 "findings": [unreadable]},
            "incomplete: the daemon cannot list a netns directory": {
                "ready": True, "unlisted": [{"name": "/run/netns", "up": False, "reason": "Permission denied"}]},
        }
        for first, changed in cases.items():
            server = self.stranger(stranger.sends_documents({**status, **changed}))
            result = self.status(f"http://127.0.0.1:{server.port}")
            self.assertEqual((result.returncode, result.stdout.splitlines()[0]), (3, first))

    def test_what_is_no_url_is_a_usage_error_that_repeats_no_password(self):
        for url in ("127.0.0.1:10042", "ftp://u:secret@h", "http://u:secret@", "http://u:secret@h:0", "http://u:secret@h:99999",
                    "http://u:secret@h/?q", "http://u:se/secret@h", "http://u:secret@h h", "http://::1:80", "http://[::1"):
            line = self.refused(self.status(url), "nswarden: invalid --url: ", code=2)
            self.assertNotIn("secret", line)
        line = self.refused(run_binary("status", "http://u:secret@h"), "--url=", code=2)
        self.assertNotIn("secret", line)
        for wrong in ("--timeout=1", "--events=201", "--events=-1", "--tls.cert-file=x", "--output=xml"):
            self.refused(run_binary("status", wrong), wrong.split("=")[0], code=2)


if __name__ == "__main__":
    harness.main()
