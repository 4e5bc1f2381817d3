# SPDX-License-Identifier: Apache-2.0
"""A fleet on one machine: a daemon in each situation that dashboards have to show, all scraped by one Prometheus.

Each daemon has its own netns directory, configuration and locks. The events happen while Prometheus scrapes, since rates need
earlier samples.
"""

import os
import signal
import subprocess
import sys
import time

import harness
from harness import add_netns, config, delete_netns, key_path, path_of, place_file, policy, put
from prometheus_server import Prometheus

KEY, WANT = "net.ipv4.tcp_keepalive_time", 1234
OTHER = "net.ipv4.tcp_keepalive_intvl"
REJECTED, NO_VALUE = "net.ipv4.tcp_retries2", 999  # the kernel refuses it
ABSENT = "net.ipv4.conf.nosuch.forwarding"
JOB = "nswarden"
SCRAPE = 1  # seconds between scrapes, as in monitoring.Prometheus
LOOK_BACK = "30s"  # of rates: long enough for a machine so busy that scrapes are late
RESTARTED = "127.0.0.1:10042"  # the daemon that is restarted at the same address
OPPONENT = f"""
import os, time
open("/proc/self/comm", "w").write("opponent")
fd = os.open({key_path(KEY)!r}, os.O_RDWR)
while True:
    os.pwrite(fd, b"5", 0)
    time.sleep(0.02)
"""


class Fleet:
    """`nodes` is {situation: instance label}; events happened from `began` to `until`, and all situations existed together
    at `ended`."""

    def __init__(self, directory, cleanups):
        self.directory, self.cleanups = directory, cleanups
        self.daemons, self.nodes = {}, {}
        self.enough = os.path.join(directory, "enough")  # commands have run long enough to be seen
        for start in (self._quiet, self._drift, self._failing, self._fighting, self._reloading, self._busy, self._deaf, self._gone):
            start()
        # Prometheus scrapes itself too: queries over all jobs must not match it.
        self.prometheus = Prometheus(directory, self.nodes.values(), job=JOB, own_job="prometheus")
        cleanups(self.prometheus.stop)

    def path(self, situation):
        return f"/run/{situation}"

    def _configure(self, name, text):
        path = os.path.join(self.directory, f"{name}.yaml")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def _start(self, situation, text, *arguments, netns=("router-1",), instance=None, **options):
        directory = self.path(situation)
        os.makedirs(directory, exist_ok=True)
        for name in netns:
            if not os.path.exists(path_of(name, directory)):
                add_netns(name, directory)
        daemon = harness.Daemon(f"--config.file={self._configure(situation, text)}", *arguments, log_level="info", netns_dirs=[directory],
                                **options)
        self.daemons[situation] = daemon
        self.nodes[situation] = instance or daemon.address
        self.cleanups(daemon.kill)
        return daemon

    # Initial situations.

    def _quiet(self):
        self._start("quiet", config(policy("routers", "^router-", {KEY: WANT}, observe=[OTHER])))

    def _drift(self):
        self._start("drift", config(policy("overruled", "^router-", {KEY: 77}), policy("audited", "^router-", {KEY: WANT, OTHER: 5, ABSENT: 1}),
                                    policy("observed", "^router-", {KEY: WANT}, observe=["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", OTHER]), mode="audit"), "--metrics.series-limit=2")

    def _failing(self):
        wait = f"until test -e {self.enough}; do sleep 0.05; done"
        commands = f'    commands:\n      events:\n        IN_ATTRIB: ["exit 3"]\n        IN_MODIFY: ["{wait}", "{wait}"]\n'
        self._start("failing", config(policy("routers", "^router-", {KEY: WANT, REJECTED: NO_VALUE}) + commands))

    def _fighting(self):
        self._start("fighting", config(policy("routers", "^router-", {KEY: WANT})))

    def _reloading(self):
        web = self._configure("web", "")
        self._start("reloading", config(policy("routers", "^router-", {KEY: WANT})), f"--web.config.file={web}")

    def _busy(self):
        self._start("busy", config(policy("routers", "^router-", {KEY: WANT, OTHER: 5})), f"--web.listen-address={RESTARTED}",
                    instance=RESTARTED, netns=("router-1", "other-1"))

    def _deaf(self):
        self._start("deaf", config(policy("routers", "^router-", {KEY: WANT, OTHER: 5})), netns=[f"router-{i}" for i in range(20)],
                    prefix=["prlimit", "--nofile=64", "setpriv", "--bounding-set=-net_broadcast", "--inh-caps=-net_broadcast"])

    def _gone(self):
        self._start("gone", config(policy("routers", "^router-", {KEY: WANT})))

    # Events.

    def live(self):
        """Triggers all events, each followed by a scrape that saw it."""
        self._wait_series(f'max_over_time(up{{job="{JOB}"}}[1m]) == 1', len(self.nodes))
        self.began = time.time()
        self.wait_scrapes(2)
        self._fight()
        self._fail()
        self._reload()
        self._come_and_go()
        self.daemons["gone"].kill()
        self._drift_again()
        self.ended = harness.wait_until(self._all_seen, "all situations scraped at one time")
        self.wait_scrapes(2)
        self.until = time.time()

    def _all_seen(self):
        """A time at which Prometheus saw every situation as intended: a contended setting is compliant for moments. It is in
        the recent past, so that no scrape changes the result later."""
        at = time.time() - SCRAPE - 0.1
        wanted = [*((name, "nswarden_drifted_sysctls{%s} == 0 and nswarden_managed_sysctls{%s} > 0")
                    for name in ("quiet", "reloading", "busy", "deaf")),
                  ("drift", "sum(nswarden_drifted_sysctls{%s}) == 3"), ("failing", "nswarden_drifted_sysctls{%s} == 1"),
                  ("fighting", "nswarden_suspended_sysctls{%s} == 1 and nswarden_drifted_sysctls{%s} == 1"), ("gone", "up{%s} == 0"),
                  ("reloading", "nswarden_config_last_reload_successful{%s} == 0")]
        seen = [expr.replace("%s", f'instance="{self.nodes[name]}"') for name, expr in wanted]
        return at if all(self.prometheus.now(expr, at) for expr in seen) else None

    def wait_scrapes(self, count):
        """Waits until each node has been scraped that many times from now on."""
        after = time.time() + SCRAPE * (count - 1)
        self._wait_series(f'timestamp(up{{job="{JOB}"}}) > {after}', len(self.nodes))

    def _wait_series(self, expr, count):
        harness.wait_until(lambda: len(self.prometheus.now(expr)) >= count, lambda: f"{count} series of {expr}: {self.prometheus.now(expr)}")

    def _fight(self):
        opponent = subprocess.Popen(["nsenter", f"--net={self.path('fighting')}/router-1", sys.executable, "-c", OPPONENT])
        self.cleanups(opponent.wait)
        self.cleanups(opponent.kill)

    def _fail(self):
        directory = self.path("failing")
        place_file("router-2", directory)
        os.chmod(path_of("router-2", directory), 0o600)
        with open(path_of("router-2", directory), "w", encoding="ascii") as file:
            file.write("x")
        node = self.nodes["failing"]
        self.prometheus.wait_for(f'nswarden_commands_running{{instance="{node}"}} > 0 and nswarden_commands_queued > 0', "commands")
        self.wait_scrapes(2)
        with open(self.enough, "w", encoding="ascii"):
            pass
        # A compliant value is changed, so that the rejected write is retried.
        put("router-1", KEY, 5, directory)
        selector = f'{{action="command",instance="{node}"}}'
        self.prometheus.wait_for(f"increase(nswarden_action_failures_total{selector}[{LOOK_BACK}]) > 0", "a failed command")

    def _reload(self):
        daemon = self.daemons["reloading"]
        for policies, web, result in (
                (config(policy("routers", "^router-", {KEY: WANT, OTHER: 75})), "http_server_config: {http2: false}\n", "success"),
                ("version: 1\npolicy: []\n", "no_server_config: {}\n", "failure")):
            self._configure("reloading", policies)
            self._configure("web", web)
            daemon.signal(signal.SIGHUP)
            for name in ("config_reloads_total", "web_config_reloads_total"):
                daemon.wait_metrics(lambda m, name=name, result=result: m.sum(name, result=result) > 0, f"{name} {result}")
            selector = f'{{instance="{self.nodes["reloading"]}",result="{result}"}}'
            self.prometheus.wait_for(f"increase(nswarden_config_reloads_total{selector}[{LOOK_BACK}]) > 0", f"a {result} of reloading")

    def _come_and_go(self):
        directory = self.path("busy")
        for number in range(2, 7):
            add_netns(f"router-{number}", directory)
            self.daemons["busy"].wait_metrics(lambda m, count=number: m.sum("netns") == count, "the netns that came")
        place_file("router-pending", directory)
        put("router-1", KEY, 5, directory)
        delete_netns("router-2", directory)
        node = self.nodes["busy"]
        self.prometheus.wait_for(f'nswarden_netns_pending{{instance="{node}"}} > 0', "a name that is pending")
        self.daemons["busy"].stop()
        self._busy()
        self._wait_series(f'changes(process_start_time_seconds{{instance="{node}"}}[{LOOK_BACK}]) > 0', 1)

    def _drift_again(self):
        self.daemons["drift"].wait_sweeps(1)
        put("router-1", KEY, WANT, self.path("drift"))
        self.daemons["drift"].wait_sweeps(1)
        put("router-1", KEY, 6, self.path("drift"))
