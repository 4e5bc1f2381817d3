# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the running daemon, from the view of Prometheus, a probe or an attacker."""

import gzip
import os
import socket
import subprocess
import time

import harness
from harness import add_netns, config, policy

KEY = "net.ipv4.tcp_keepalive_time"


class Http(harness.Case):
    def setUp(self):
        super().setUp()
        self.configure(config(policy("routers", "^router-", {KEY: 1234}, "audit")))
        add_netns("router-1")
        self.daemon = self.start()

    def test_metrics_come_in_the_text_format(self):
        status, headers, body = self.daemon.http("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain; version=0.0.4"), headers)
        self.assertEqual(int(headers["content-length"]), len(body))
        checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, b""))

    def test_every_metric_that_can_be_fed_is_there_from_the_start(self):
        metrics = self.daemon.scrape()
        for name in ("build_info", "config_last_reload_successful", "config_last_reload_success_timestamp_seconds",
                     "config_reloads_total", "netns", "netns_unmatched", "netns_pending", "managed_sysctls", "drifted_sysctls",
                     "suspended_sysctls", "enforcement_enabled", "policy_conflicts", "sysctl_drift", "sysctl_drift_hidden",
                     "drift_detected_total", "actions_total", "action_failures_total", "events_total", "event_overflows_total",
                     "event_source_up", "bound_sysctls", "dirfd_sysctls", "commands_queued", "commands_running",
                     "reconciles_total", "reconcile_duration_seconds_count", "reconcile_duration_seconds_sum",
                     "reconcile_duration_seconds_bucket", "reconcile_last_success_timestamp_seconds",
                     "time_to_compliance_seconds_count"):
            self.assertIn("nswarden_" + name, metrics)
        for name in ("cpu_seconds_total", "start_time_seconds", "resident_memory_bytes", "virtual_memory_bytes", "open_fds",
                     "max_fds"):
            self.assertIn("process_" + name, metrics)
        for result in ("success", "failure"):
            self.assertEqual(len(metrics.all("actions_total", policy="routers", action="write", result=result)), 1)
        for source in ("startup", "create", "event", "reconcile"):
            self.assertEqual(len(metrics.all("drift_detected_total", policy="routers", sysctl=KEY, source=source)), 1)
        for trigger in ("startup", "interval", "reload", "lost"):
            self.assertEqual(len(metrics.all("reconciles_total", trigger=trigger)), 1)

    def test_threads_that_serve_have_no_capability_and_can_gain_none(self):
        self.daemon.wait_sweeps()
        seen = []
        for task in os.listdir(f"/proc/{self.daemon.process.pid}/task"):
            with open(f"/proc/{self.daemon.process.pid}/task/{task}/status", encoding="ascii") as file:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            serves = fields["Name"].startswith("civetweb")
            seen.append(serves)
            none = all(int(fields[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
            self.assertEqual((none, fields["NoNewPrivs"]), (serves, "1" if serves else "0"), fields)
        self.assertEqual(seen.count(True), 17)

    def test_counters_carry_no_netns_label(self):
        for name, series in self.daemon.scrape().items():
            if name.endswith(("_total", "_bucket", "_count", "_sum")):
                self.assertFalse([key for key in series if "netns" in dict(key)], name)

    def test_times_and_process_numbers_are_those_of_now(self):
        metrics = self.daemon.wait_sweeps()
        now = time.time()
        for name in ("config_last_reload_success_timestamp_seconds", "reconcile_last_success_timestamp_seconds"):
            self.assertLess(abs(metrics.sum(name) - now), 60, name)
        process = {name: sum(series.values()) for name, series in metrics.items() if name.startswith("process_")}
        self.assertLess(abs(process["process_start_time_seconds"] - now), 60)
        self.assertGreater(process["process_open_fds"], 5)
        self.assertGreater(process["process_resident_memory_bytes"], 1 << 20)
        self.assertGreater(process["process_max_fds"], process["process_open_fds"])

    def test_gzip_comes_on_request_and_only_then(self):
        _, headers, body = self.daemon.http("GET", "/metrics", {"Accept-Encoding": "gzip"})
        self.assertEqual(headers["content-encoding"], "gzip")
        self.assertIn(b"nswarden_build_info", gzip.decompress(body))
        for accepted in ("identity", "deflate", "gzip;q=0"):
            _, headers, body = self.daemon.http("GET", "/metrics", {"Accept-Encoding": accepted})
            self.assertNotIn("content-encoding", headers, accepted)
            self.assertIn(b"nswarden_build_info", body)
        _, headers, body = self.daemon.http("GET", "/", {"Accept-Encoding": "gzip"})
        self.assertEqual(headers["content-encoding"], "gzip")
        self.assertIn(b"router-1", gzip.decompress(body))

    def test_the_query_filters_the_root_page(self):
        self.assertIn(b'href="/?netns=router-1"', self.daemon.http("GET", "/")[2])
        body = self.daemon.http("GET", "/?netns=other&policy=routers")[2]
        self.assertNotIn(b"router-1", body)
        self.assertIn(b"Filtered by", body)

    def test_head_gives_the_headers_of_get_and_no_body(self):
        for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
            status, headers, body = self.daemon.http("HEAD", path)
            self.assertEqual((status, body), (200, b""), path)
            self.assertGreater(int(headers["content-length"]), 0)

    def test_paths_are_exact(self):
        for path in ("/metricsfoo", "/metrics/", "/metrics/x", "/Metrics", "//metrics", "/-/", "/-/healthyz", "/index.html", "/etc/passwd",
                     "/../etc/passwd", "/%2e%2e/etc/passwd", "/metrics%00", "/api/v1/nothing"):
            self.assertIn(self.daemon.http("GET", path)[0], (400, 404), path)

    def test_a_query_does_not_hide_a_path(self):
        self.assertEqual(self.daemon.http("GET", "/metrics?name=x")[0], 200)

    def test_other_methods_are_refused_with_405(self):
        for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                self.assertEqual(self.daemon.http(method, path, body=b"x=1" if method in ("POST", "PUT") else None)[0], 405,
                                 f"{method} {path}")

    def test_the_root_page_links_to_the_others(self):
        status, headers, body = self.daemon.http("GET", "/")
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "text/html; charset=utf-8")
        self.assertEqual(headers["cache-control"], "no-store")
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        for path in (b"/metrics", b"/api/v1/status", b"/api/v1/events", b"/-/healthy", b"/-/ready"):
            self.assertIn(b'href="' + path + b'"', body)

    def test_a_scrape_is_answered_while_clients_sit_on_idle_connections(self):
        host, port = self.daemon.address.rsplit(":", 1)
        clients = [socket.create_connection((host, int(port))) for _ in range(300)]
        try:
            began = time.monotonic()
            self.assertEqual(self.daemon.http("GET", "/metrics")[0], 200)
            self.assertLess(time.monotonic() - began, 10 * harness.TIME_FACTOR)  # Prometheus' default timeout
        finally:
            for client in clients:
                client.close()

    def test_rubbish_is_answered_or_dropped_and_the_next_scrape_works(self):
        host, port = self.daemon.address.rsplit(":", 1)
        for rubbish in (b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", os.urandom(3000) + b"\r\n\r\n",
                        b"POST /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n"):
            with socket.create_connection((host, int(port))) as client:
                client.settimeout(harness.DEADLINE)
                try:
                    client.sendall(rubbish)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except TimeoutError:
                    self.fail(f"neither answered nor dropped: {rubbish[:40]!r}")
                except OSError:
                    pass  # dropped: reset, broken pipe or, at the shutdown, not connected
        self.assertEqual(self.daemon.http("GET", "/metrics")[0], 200)

    def test_threads_that_serve_give_way_to_the_one_that_repairs(self):
        nice = {}
        for thread in os.listdir(f"/proc/{self.daemon.process.pid}/task"):
            with open(f"/proc/{self.daemon.process.pid}/task/{thread}/stat", encoding="ascii") as file:
                name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
            nice.setdefault(name.split("-")[0], set()).add(int(fields.split()[16]))
        self.assertEqual(nice["civetweb"], {10})
        self.assertEqual(nice["nswarden"], {os.getpriority(os.PRIO_PROCESS, 0)})

    def test_another_telemetry_path_replaces_the_first(self):
        daemon = self.start("--web.telemetry-path=/other", f"--lock.file={self.directory}/lock")
        self.assertEqual(daemon.http("GET", "/other")[0], 200)
        self.assertEqual(daemon.http("GET", "/metrics")[0], 404)

    def test_it_listens_on_every_address_given(self):
        daemon = self.start("--web.listen-address=127.0.0.2:0", f"--lock.file={self.directory}/lock")
        daemon.wait_log(lambda line: "127.0.0.2:" in line.get("address", ""), "the second address")
        second = next(line["address"] for line in daemon.lines if "127.0.0.2:" in line.get("address", ""))
        host, port = second.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            self.assertIn(b" 200 ", client.recv(4096))


if __name__ == "__main__":
    harness.main()
