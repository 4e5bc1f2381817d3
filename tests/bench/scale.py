#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cost of a fleet of nodes for a Prometheus: real scrapes of a daemon, varied for each of many nodes, with the shipped rules.

tests/bench/scale.py [--nodes N] [--seconds S] [--storm S] [--interval S] [--netns N] [--dashboard FILE]: a real Prometheus,
configured as in docs/scale.md, scrapes them for --seconds; then, with --storm, every audited setting drifts on all nodes simultaneously.
An interval of 10 s represents a longer one: counters grow per scrape as between two scrapes of a real node. Prints tables. Fails if the
number of series differs from docs/metrics.md, a rule fails, or forwarded samples do not arrive. Requires root; runs in namespaces of its
own. The binary is $NSWARDEN_BINARY, or build/nswarden."""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
os.environ.setdefault("NSWARDEN_BINARY", os.path.abspath("build/nswarden"))

import harness  # noqa: E402
import monitoring  # noqa: E402
from harness import wait_until  # noqa: E402
from fleet import Fleet  # noqa: E402
from fleet_scrapes import Host, expected  # noqa: E402
from leaf import Above, Leaf, value  # noqa: E402

PASSED_ON = '{__name__=~"job(_[a-z]+)*:nswarden_.+"}'
OF_NODES = '{job="nswarden",__name__=~"(nswarden|process)_.+"}'
POINTS = 360  # of a range query: six hours at one minute, as in a dashboard panel


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--storm", type=float, default=0, help="seconds")
    parser.add_argument("--interval", type=int, default=10, help="between scrapes, seconds; rules are evaluated at three times that")
    parser.add_argument("--netns", type=int, default=200, help="of the daemon whose scrapes are taken")
    parser.add_argument("--dashboard", default=os.path.join(monitoring.ROOT, "dashboards", "nswarden-fleet.json"))
    return parser.parse_args()


def table(title, rows):
    print(f"\n{title}")
    width = max(len(name) for name, _ in rows)
    for name, shown in rows:
        print(f"  {name:{width}}  {shown}")
    sys.stdout.flush()


def wait(condition, what):
    """harness.wait_until() without querying a busy server a hundred times a second."""
    def check():
        time.sleep(0.2)
        return condition()

    wait_until(check, what, 120)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


class Watch:
    """Samples the leaf's own metrics periodically."""

    def __init__(self, leaf):
        self.leaf = leaf
        self.first = self.last = None
        self.resident, self.rules = [], {}  # bytes; {group: [seconds]}

    def sample(self):
        metrics = self.leaf.own()
        self.first, self.last = self.first or (time.monotonic(), metrics), (time.monotonic(), metrics)
        self.resident.append(value(metrics, "process_resident_memory_bytes"))
        for labels, seconds in metrics["prometheus_rule_group_last_duration_seconds"].items():
            self.rules.setdefault(dict(labels)["rule_group"].rsplit(";", 1)[1], []).append(seconds)

    def until(self, end):
        self.sample()
        while time.monotonic() < end:
            time.sleep(min(self.leaf.interval, max(0.0, end - time.monotonic())))  # an interval, not a condition to wait for
            self.sample()

    def grown(self, name):
        """Growth of a counter per second."""
        (began, before), (ended, after) = self.first, self.last
        return (value(after, name) - value(before, name)) / (ended - began)

    def now(self, name, **labels):
        return value(self.last[1], name, **labels)

    def rows(self):
        yield "head series", f"{self.now('prometheus_tsdb_head_series'):.0f}"
        yield "resident memory, most", f"{max(self.resident) / 2**20:.0f} MiB"
        yield "Go heap in use", f"{self.now('go_memstats_heap_inuse_bytes') / 2**20:.0f} MiB"
        yield "samples a second", f"{self.grown('prometheus_tsdb_head_samples_appended_total'):.0f}"
        yield "CPU of Prometheus", f"{self.grown('process_cpu_seconds_total'):.2f} cores"
        for group, seconds in sorted(self.rules.items()):
            yield f"rules, group {group}", (f"least {1000 * min(seconds):.0f} ms, median {1000 * statistics.median(seconds):.0f} ms, "
                                           f"most {1000 * max(seconds):.0f} ms")
        missed = self.now("prometheus_rule_group_iterations_missed_total") - value(self.first[1], "prometheus_rule_group_iterations_missed_total")
        yield "evaluations of groups missed", f"{missed:.0f}"


class Run:
    def __init__(self, options, directory, fleet, leaf, above):
        self.options, self.directory, self.fleet, self.leaf, self.above = options, directory, fleet, leaf, above

    def begin(self):
        self.empty = self.leaf.own()
        self.leaf.watch(self.fleet.nodes)
        up = len(self.fleet.nodes) - 1
        wait(lambda: self.leaf.number("sum(up)") == up and self.leaf.number("count(up)") == up + 1, f"{up} nodes that answer, and one that is down")
        wait(lambda: self.leaf.number("job:nswarden_build_info:count") == up, "recorded: all nodes")

    def steady(self):
        watch = Watch(self.leaf)
        watch.until(time.monotonic() + self.options.seconds)
        series = watch.now("prometheus_tsdb_head_series")
        memory = max(watch.resident) - value(self.empty, "process_resident_memory_bytes")
        table(f"{self.options.nodes} nodes, {self.options.seconds:g} s, scrapes each {self.options.interval} s", [
            *watch.rows(),
            ("resident memory before, without nodes", f"{value(self.empty, 'process_resident_memory_bytes') / 2**20:.0f} MiB"),
            ("the difference, for each series", f"{memory / series:.0f} bytes"),
            ("a scrape takes", f"mean {1000 * self.leaf.number('avg(scrape_duration_seconds)'):.1f} ms, "
                               f"most {1000 * self.leaf.number('max(scrape_duration_seconds)'):.0f} ms")])
        self.series()
        self.check_rules()

    def series(self):
        """Reports the number of series by kind; checks that of each node against docs/metrics.md."""
        span = f"[{6 * self.options.interval}s]"  # bridges a scrape that timed out
        scraped = self.by_node(f"max_over_time(scrape_samples_scraped{span})")
        drifts = self.by_node(f"count by (instance) (last_over_time(nswarden_sysctl_drift{span}))")
        comms = self.by_node(f"count by (instance) (last_over_time(nswarden_drift_writers_total{span})) - 2")
        for node in self.fleet.nodes:
            if not node.is_down and not node.comes_and_goes:
                most = expected(*self.fleet.shapes[node.situation]) + drifts.get(node.address, 0) + comms[node.address]
                check(scraped[node.address] == most, f"node {node.number} ({node.situation}) has {scraped[node.address]} series, not {most}")
        usual = statistics.mode(scraped.values())
        kinds = [("of a quiet node", f"{usual:.0f}, of which {expected(*self.fleet.shapes['quiet'])} by the table in docs/metrics.md"),
                 ("of all nodes", f"{self.leaf.number(f'count({OF_NODES})'):.0f}"),
                 *((what, f"{self.leaf.number('count({__name__=~%s})' % json.dumps(names)):.0f}") for what, names in (
                     ("that Prometheus adds", "up|scrape_.+"), ("recorded for each node", "instance:nswarden_.+"),
                     ("recorded, to be passed on", "job(_[a-z]+)*:nswarden_.+"), ("of alerts", "ALERTS|ALERTS_FOR_STATE")))]
        table("series now", kinds)
        counts = self.by_node(f"sum by (instance) (resets(nswarden_events_total[{self.options.seconds:.0f}s])) > 0")
        restarted = {node.address for node in self.fleet.nodes if node.restarts}
        check(set(counts) <= restarted, f"counters of nodes that did not restart went back: {set(counts) - restarted}")
        firing = self.leaf.query("count by (alertname) (ALERTS{alertstate='firing'})")
        table("alerts that fire", sorted((dict(labels)["alertname"], f"{count:.0f}") for labels, count in firing.items()) or [("none", "")])

    def by_node(self, expression):
        return {dict(labels)["instance"]: count for labels, count in self.leaf.query(expression).items()}

    def check_rules(self):
        failures = value(self.leaf.own(), "prometheus_rule_evaluation_failures_total")
        check(failures == 0, f"{failures} evaluations of rules failed: {[rule.get('lastError') for rule in self.leaf.rules()]}")

    def rules_alone(self):
        """Measures the rules as queries, since an evaluation on a busy machine mostly waits for a processor."""
        rows = []
        for group in self.leaf.api("rules")["groups"]:
            took = sum(self.leaf.timed("query", query=rule["query"])[0] for rule in group["rules"])
            rows.append((f"group {group['name']}, {len(group['rules'])} rules", f"{took:.0f} ms"))
        table("rules as queries, one after the other, best of three", rows)

    def forwarded(self):
        """Checks federation and remote write: the sum recorded above equals the leaf's."""
        took, text = self.leaf.federate(self.above.match)
        samples = sum(not line.startswith("#") for line in text.splitlines())
        sums = "job:nswarden_managed_sysctls:sum"
        check(samples >= self.leaf.number(f"count({PASSED_ON})") > 0 and sums in text, f"federation gives {samples} samples")
        wait(lambda: self.above.number("global:nswarden_managed_sysctls:sum") == self.leaf.number(sums) > 0, "the sum above the leaves")
        table("passed on", [
            ("a federation", f"{samples} samples, {len(text)} bytes, {took:.0f} ms"),
            ("series by remote write", f"{self.above.number(f'count({PASSED_ON})'):.0f}"),
            ("series in all of who takes them", f"{value(self.above.own(), 'prometheus_tsdb_head_series'):.0f}")])

    def queries(self):
        """Measures the queries of the fleet dashboard with all values selected."""
        if not os.path.exists(self.options.dashboard):
            print(f"\nno {self.options.dashboard}: its queries are left out")
            return
        with open(self.options.dashboard, encoding="utf-8") as file:
            panels = json.load(file)["panels"]
        put_in = {"job": ".+", "instance": ".+", "policy": ".+", "__rate_interval": f"{4 * self.options.interval}s",
                  "__range": f"{self.options.seconds:.0f}s", "__interval": f"{self.options.interval}s"}
        end, found = time.time(), []
        for panel in panels:
            for target in panel.get("targets", []):
                query = re.sub(r"\$(\w+)", lambda match: put_in[match[1]], target["expr"])
                if target.get("instant"):
                    took, _ = self.leaf.timed("query", query=query, time=end)
                else:
                    step = max(self.options.seconds / POINTS, 0.1)
                    took, _ = self.leaf.timed("query_range", query=query, start=end - step * POINTS, end=end, step=step)
                found.append((took, "instant" if target.get("instant") else f"{POINTS} points", panel["title"]))
        found.sort(reverse=True)
        table("queries of the fleet's dashboard, best of three", [
            *((f"{title} ({kind})", f"{took:.0f} ms") for took, kind, title in found[:8]),
            (f"all {len(found)}, one after the other", f"{sum(took for took, _, _ in found):.0f} ms")])

    def storm(self):
        before = self.leaf.own()
        self.fleet.storm.value = time.time()
        watch = Watch(self.leaf)
        watch.until(time.monotonic() + self.options.storm)
        drifts, hidden = self.leaf.number("count(nswarden_sysctl_drift)"), self.leaf.number("sum(nswarden_sysctl_drift_hidden)")
        check(drifts > 0, "nothing has drifted in the storm")
        more = watch.now("prometheus_tsdb_head_series") - value(before, "prometheus_tsdb_head_series")
        memory = max(watch.resident) - value(before, "process_resident_memory_bytes")
        table(f"everything that is audited drifts at once, {self.options.storm:g} s", [
            *watch.rows(), ("series of nswarden_sysctl_drift", f"{drifts:.0f}, {hidden:.0f} more settings are not listed"),
            ("head series more", f"{more:.0f}"), ("memory more, for each of them", f"{memory / more:.0f} bytes")])
        self.check_rules()

    def disk(self):
        stats, chunks, index = self.leaf.block()
        data = self.leaf.size_on_disk()
        table("on disk", [
            ("samples, series, chunks", f"{stats['numSamples']}, {stats['numSeries']}, {stats['numChunks']}"),
            ("chunks, for each sample", f"{chunks / stats['numSamples']:.2f} bytes"),
            ("index, for each series", f"{index / stats['numSeries']:.0f} bytes"),
            ("write-ahead log, for each sample", f"{data['wal'] / stats['numSamples']:.2f} bytes"),
            ("chunks of the head, mapped", f"{data['chunks_head'] / 2**20:.0f} MiB")])


def run(options, directory, cleanups):
    above = Above(directory)
    cleanups.append(above.stop)
    leaf = Leaf(directory, options.interval, 3 * options.interval, above)
    cleanups.append(leaf.stop)
    fleet = Fleet(Host(directory, options.netns).scrapes(), options.nodes, options.interval)
    server = fleet.serve()
    cleanups.append(lambda: (server.terminate(), server.join()))
    steps = Run(options, directory, fleet, leaf, above)
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; {os.uname().release}", flush=True)
    steps.begin()
    steps.steady()
    steps.rules_alone()
    steps.forwarded()
    steps.queries()
    if options.storm:
        steps.storm()
        steps.rules_alone()
    steps.disk()
    print(f"\nload average {os.getloadavg()[0]:.1f}")


def main():
    options = arguments()
    missing = monitoring.missing_program("prometheus", "ip")
    if missing:
        print(f"SKIP: needs {missing}")
        sys.exit(77)
    harness.isolate()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    # Without a handler, SIGTERM does not end the first process of a PID namespace.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A tmpfs in a mount namespace of its own: independent of other disk writes, and removed when the program exits.
    directory = tempfile.mkdtemp(prefix="nswarden-scale-", dir="/mnt")
    cleanups = []
    try:
        run(options, directory, cleanups)
    finally:
        for cleanup in reversed(cleanups):
            cleanup()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
