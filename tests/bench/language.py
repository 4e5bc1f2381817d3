#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cost of the policy language: 200 policies over netns of 20 interfaces each, with a glob on interfaces in every policy.

tests/bench/language.py [--netns N ...] [--rounds R] [--drifts D] [--create C]: loading, sweeps, repairs and new interfaces,
compared with the same daemon whose policies list each matched key explicitly, in namespaces of its own. In rows with links
`not told`, the daemon lacks CAP_NET_BROADCAST. Times of 2 s and more mean that the setting was not repaired. Prints tables
without judging them. Requires root; the binary is $NSWARDEN_BINARY, or build/nswarden."""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
os.environ.setdefault("NSWARDEN_BINARY", os.path.abspath("build/nswarden"))

import harness  # noqa: E402
from harness import add_netns, inside, key_path  # noqa: E402

POLICIES = 200
PAIRS = 10
INTERFACES = [f"{kind}-{number}" for kind in ("qr", "qg") for number in range(PAIRS)]
EXACT = {"net/ipv4/tcp_keepalive_time": 600, "net/ipv4/tcp_fin_timeout": 30,
         "net/ipv4/tcp_syn_retries": 4, "net/ipv4/ip_default_ttl": 65}
# Further settings of a policy, by kind. One policy of each of the first two kinds matches a netns; the third kind matches every other netns.
KINDS = [["net.ipv4.tcp_keepalive_time: 600", "net.ipv4.tcp_fin_timeout: 30",
          "net.ipv4.tcp_keepalive_intvl: {between: [10, 100], set: 30}"],
         ["net.ipv4.tcp_syn_retries: 4", "net.ipv4.ip_default_ttl: 65",
          "net.ipv4.tcp_congestion_control: {one_of: [cubic, bbr, reno], set: cubic}"],
         ["net.ipv4.tcp_keepalive_probes: {max: 9, set: 5}", "net.ipv4.tcp_rmem: {min: 4096, set: 4096 131072 6291456}"]]
PATIENCE = 2  # seconds
SWEEPS = 15
NOT_TOLD = ["setpriv", "--bounding-set=-net_broadcast", "--inh-caps=-net_broadcast"]


def conf_path(interface):
    return f"/proc/sys/net/ipv4/conf/{interface}/rp_filter"


def name_of(number):
    return f"b-{number % 100:02}-{number % 99:02}-{number}"


def configuration(form, policies=POLICIES):
    patterns = [(0, f"^b-({number:02})-") for number in range(100)]
    patterns += [(1, f"^b-([0-9]+)-({number:02})-") for number in range(99)]
    patterns += [(2, "^b-([0-9][02468])-")]
    text = "version: 1\npolicies:\n"
    for number, (kind, pattern) in enumerate(patterns[:policies]):
        text += f"  - name: policy-{number}\n    netns: {pattern}\n"
        lines = ["net.ipv4.conf.*.rp_filter: 2"]
        if form == "glob":
            text += "    interfaces: ['q[rg]-']\n"
        else:
            lines = [f"net.ipv4.conf.{interface}.rp_filter: 2" for interface in INTERFACES]
        text += "    sysctls:\n" + "".join(f"      {line}\n" for line in lines + KINDS[kind])
    return text


def in_child(function):
    """Measures times of microseconds in a single-threaded process on a core of its own; see begin()."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            with os.fdopen(writer, "w", encoding="ascii") as file:
                json.dump(function(), file)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the process that looks at the daemon failed"
    return json.loads(text)


def until_compliant(fd, right, begun):
    """Microseconds from `begun` until compliance, or until PATIENCE has passed."""
    while os.pread(fd, 16, 0) != right and time.perf_counter() < begun + PATIENCE:
        pass
    return (time.perf_counter() - begun) * 1e6


def drifts(files, count):
    """Makes settings drift and returns the repair times. `files`: pairs of an fd and the wanted value. A shuffled cycle avoids suspension."""
    files, times = random.sample(files, len(files)), []
    for number in range(count):
        fd, right = files[number % len(files)]
        time.sleep(random.uniform(0.002, 0.006))
        begun = time.perf_counter()
        os.pwrite(fd, b"1", 0)
        times.append(until_compliant(fd, right, begun))
    return times


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def veth_message(kind, flags, name, peer=None):
    """RTM_NEWLINK (16) or RTM_DELLINK (17) with acknowledgment. `ip` would return long after the kernel has finished."""
    link = bytes(16)  # ifinfomsg
    body = link + attribute(3, name.encode() + b"\0")  # IFLA_IFNAME
    if peer:
        data = attribute(1, link + attribute(3, peer.encode() + b"\0"))  # VETH_INFO_PEER
        body += attribute(18, attribute(1, b"veth") + attribute(2, data))  # IFLA_LINKINFO: kind and data
    return struct.pack("=IHHII", 16 + len(body), kind, 0x5 | flags, 1, 0) + body


def ask(netlink, message):
    netlink.send(message)
    error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if error:
        raise OSError(-error, os.strerror(-error))


def new_interface():
    """In the calling thread's netns: microseconds from the creation of a pair until both keys comply."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        conf = os.open("/proc/sys/net/ipv4/conf", os.O_RDONLY)
        ask(netlink, veth_message(16, 0x600, "qr-new", "qg-new"))
        begun = time.perf_counter()
        fds = [os.open(f"{name}/rp_filter", os.O_RDONLY, dir_fd=conf) for name in ("qr-new", "qg-new")]
        times = [until_compliant(fd, b"2\n", begun) for fd in fds]
        ask(netlink, veth_message(17, 0, "qr-new"))
        for fd in [conf, *fds]:
            os.close(fd)
    return max(times)


def new_interfaces(netns, count):
    times = []
    for _ in range(count):
        time.sleep(random.uniform(0.03, 0.06))
        times.append(inside(netns[random.randrange(len(netns))], new_interface))
    return times


def scrape(daemon):
    """A scrape without series of policies and settings: parsing all of them would occupy a core."""
    lines = [line for line in daemon.scrape_text().splitlines(keepends=True) if 'policy="' not in line or "managed_" in line]
    return harness.Metrics(harness.parse_metrics("".join(lines)))


def wait_sweeps(daemon, before):
    """Returns the first scrape with more sweeps than `before`."""

    def check():
        time.sleep(0.1)  # scrapes cost the daemon time
        metrics = scrape(daemon)
        return metrics if metrics.sum("reconciles_total") > before.sum("reconciles_total") else None

    return harness.wait_until(check, "a sweep")


def share(times, part):
    return f"{sorted(times)[min(len(times) - 1, int(len(times) * part))]:.0f}"


class Bench(harness.Case):
    def path(self, form, policies=POLICIES):
        path = os.path.join(self.directory, f"{form}-{policies}.yaml")
        self.configure(configuration(form, policies), path)
        return path

    def measure_load(self):
        paths = {key: self.path(*key) for key in (("glob", 1), ("glob", POLICIES), ("exact", 1), ("exact", POLICIES))}
        times = {key: [] for key in paths}
        for _ in range(20):
            for key, path in paths.items():
                begun = time.perf_counter()
                subprocess.run([harness.BINARY, "config", "check", path], stdout=subprocess.DEVNULL, check=True)
                times[key].append((time.perf_counter() - begun) * 1e3)
        print(f"\n| `config check`, {POLICIES} policies | KiB | ms | less that of one policy, ms | quickest less quickest |\n"
              "|---|---:|---:|---:|---:|")
        for form, title in (("glob", "a glob each"), ("exact", f"{len(INTERFACES)} keys written out each")):
            whole, one = times[form, POLICIES], times[form, 1]
            print(f"| {title} | {os.path.getsize(paths[form, POLICIES]) / 1024:.0f} | {statistics.median(whole):.1f} "
                  f"| {statistics.median(whole) - statistics.median(one):.1f} | {min(whole) - min(one):.1f} |", flush=True)

    def make_netns(self, count):
        batch = os.path.join(self.directory, "links")
        with open(batch, "w", encoding="ascii") as file:
            for number in range(PAIRS):
                file.write(f"link add qr-{number} type veth peer name qg-{number}\n")
        netns = [name_of(number) for number in range(count)]
        for name in netns:
            add_netns(name)
            inside(name, lambda: subprocess.run(["ip", "-batch", batch], check=True))
        return netns

    def open_files(self, netns, count):
        """Opens files of random netns: keys that match the glob, and keys that both forms list explicitly."""
        globbed, exact = [], []
        places = [(name, interface) for name in netns for interface in INTERFACES]
        keys = [(name, key) for name in netns for key in EXACT]
        for name, interface in random.sample(places, min(count, len(places))):
            globbed.append((inside(name, lambda: os.open(conf_path(interface), os.O_RDWR)), b"2\n"))
        for name, key in random.sample(keys, min(count, len(keys))):
            exact.append((inside(name, lambda: os.open(key_path(key), os.O_RDWR)), b"%d\n" % EXACT[key]))
        return globbed, exact

    def begin(self, form, interval, prefix=()):
        """Returns a daemon after its first sweep, and the sweep's duration. The daemon does not use the core of the measuring process."""
        self.config_file = self.path(form)
        cores = sorted(os.sched_getaffinity(0))
        elsewhere = ["taskset", "--cpu-list", ",".join(map(str, cores[1:] or cores))]
        begun = time.monotonic()
        daemon = self.start(interval=interval, log_level="info", prefix=[*elsewhere, *prefix])
        return daemon, time.monotonic() - begun

    def sweeps(self, form, netns, prefix=()):
        """Microseconds per key in the fastest of SWEEPS sweeps, number of keys held open, and number of keys not held."""
        daemon, _ = self.begin(form, f"{max(100, netns)}ms", prefix)
        metrics = daemon.scrape()
        assert metrics.sum("drifted_sysctls") == 0, daemon.log()
        assert metrics.sum("event_source_up", source="netlink") == (0 if prefix else 1), daemon.log()
        costs, after = [], wait_sweeps(daemon, metrics)
        for _ in range(SWEEPS):
            before, after, name = after, wait_sweeps(daemon, after), "reconcile_duration_seconds"
            spent, count = (after.sum(name + part) - before.sum(name + part) for part in ("_sum", "_count"))
            held, shared = after.sum("bound_sysctls"), after.sum("dirfd_sysctls")
            costs.append(spent / count / after.sum("managed_sysctls") * 1e6)
        self.assertEqual(daemon.stop(), 0)
        return min(costs), held, shared

    def reload(self, daemon):
        """Milliseconds from SIGHUP to the log message, and the time spent by the loop including the following sweep."""
        name = "reconcile_duration_seconds_sum"
        before = scrape(daemon)
        known, begun = len(daemon.lines), time.perf_counter()
        daemon.signal(signal.SIGHUP)
        while not any(line.get("msg") == "configuration reloaded" for line in daemon.lines[known:]):
            time.sleep(0.0002)
            assert time.perf_counter() < begun + 20, daemon.log()
        loaded = time.perf_counter() - begun
        after = wait_sweeps(daemon, before)
        return loaded * 1e3, (after.sum(name) - before.sum(name)) * 1e3

    def events(self, form, netns):
        daemon, start = self.begin(form, "1h")
        figures = {"start": [start]}
        globbed, exact = self.open_files(netns, ARGUMENTS.drifts)
        try:
            figures["interfaces"] = in_child(lambda: drifts(globbed, ARGUMENTS.drifts))
            figures["others"] = in_child(lambda: drifts(exact, ARGUMENTS.drifts))
        finally:
            for fd, _ in globbed + exact:
                os.close(fd)
        figures["new"] = in_child(lambda: new_interfaces(netns, ARGUMENTS.create)) if form == "glob" else []
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            figures["rss"] = [int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS")]
        figures["fds"] = [len(os.listdir(f"/proc/{daemon.process.pid}/fd"))]
        assert daemon.scrape().sum("suspended_sysctls") == 0, "drifts came too often"
        reloads = [self.reload(daemon) for _ in range(5)]
        figures["reload"] = [statistics.median(loaded for loaded, _ in reloads)]
        figures["resweep"] = [statistics.median(swept for _, swept in reloads)]
        self.assertEqual(daemon.stop(), 0)
        return figures

    def measure(self, count):
        begun = time.monotonic()
        netns = self.make_netns(count)
        print(f"\n{count} netns of {len(INTERFACES)} interfaces, made in {time.monotonic() - begun:.0f} s; the quietest of "
              f"{ARGUMENTS.rounds} rounds\n", flush=True)
        ways = {"written out": ("exact", ()), "a glob": ("glob", ()), "a glob, links not told": ("glob", NOT_TOLD)}
        swept = {way: [] for way in ways}
        seen = {way: [] for way in list(ways)[:2]}
        for _ in range(ARGUMENTS.rounds):
            for way, (form, prefix) in ways.items():
                swept[way].append(self.sweeps(form, count, prefix))
                if not prefix:
                    seen[way].append(self.events(form, netns))
        floor = min(swept["written out"])[0]
        print("| keys of interfaces | held | by directory | sweep, us a key | ratio |\n|---|---:|---:|---:|---:|")
        for way, rounds in swept.items():
            cost, held, shared = min(rounds)
            print(f"| {way} | {held:.0f} | {shared:.0f} | {cost:.3f} | {cost / floor:.2f} |")
        print("\n| microseconds | of | p50 | p99 | max |\n|---|---:|---:|---:|---:|")
        for way, rounds in seen.items():
            for figure, title in (("interfaces", "repair of an interface's key"), ("others", "repair of another key"),
                                  ("new", "new interface, to the key right")):
                times = min((one[figure] for one in rounds), key=lambda times: sorted(times)[len(times) // 2:])
                if times:
                    print(f"| {title}, {way} | {len(times)} | {share(times, 0.5)} | {share(times, 0.99)} | {max(times):.0f} |")
        print("\n| keys of interfaces | start s | reload ms | with its sweep ms | RSS MiB | open files |\n"
              "|---|---:|---:|---:|---:|---:|")
        for way, rounds in seen.items():
            best = {figure: min(one[figure][0] for one in rounds) for figure in ("start", "reload", "resweep", "rss", "fds")}
            print(f"| {way} | {best['start']:.1f} | {best['reload']:.1f} | {best['resweep']:.0f} | {best['rss']:.1f} "
                  f"| {best['fds']} |", flush=True)
        self._clear_run()

    def test_costs(self):
        self.measure_load()
        for count in ARGUMENTS.netns:
            self.measure(count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--netns", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drifts", type=int, default=500)
    parser.add_argument("--create", type=int, default=100)
    harness.isolate()  # restarts the program with its arguments
    ARGUMENTS, sys.argv[1:] = parser.parse_args(), []
    harness.unittest.main()
