# SPDX-License-Identifier: Apache-2.0
"""Runs tests of the built binary in isolation: in their own mount, PID and network namespaces, with an empty /run. The
namespaces end with the test process, however it ends, and take every daemon and netns with them.

A test file calls main() and uses Case. The binary is $NSWARDEN_BINARY. Standard library only.
"""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import log_page
# Re-exported for tests.
from netns import (CLONE_NEWNET, MNT_DETACH, MS_BIND, NETNS_DIR, add_netns, call, delete_netns, get, in_thread, inside,  # noqa: F401
                   key_path, libc, mount, mount_netns, path_of, place_file, put, read_here, run_inside, umount, write_at, write_here)

TIME_FACTOR = float(os.environ.get("NSWARDEN_TIME_FACTOR", "1"))  # set by tests/kernels: an emulated machine is slow
DEADLINE = 20 * TIME_FACTOR  # seconds to wait before a test fails: sanitizers on a busy machine are slow
INTERVAL = 0.2  # the daemon's sweep interval in most tests


def main():
    isolate()
    unittest.main()


def isolate():
    """Moves the program into its own namespaces by executing it again."""
    if os.geteuid() != 0:
        print("SKIP: needs root, for namespaces of its own")
        sys.exit(77)
    if "NSWARDEN_BINARY" not in os.environ:
        sys.exit("NSWARDEN_BINARY must name the built binary")
    if os.environ.get("NSWARDEN_E2E_INSIDE") != "1":
        os.environ["NSWARDEN_E2E_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                              "--propagation", "private", sys.executable, "-B", *sys.argv])
    mount("tmpfs", "/run", b"tmpfs")
    # Locks are not part of the files in /run that tests check.
    mount("tmpfs", "/mnt", b"tmpfs")
    os.environ["RUNTIME_DIRECTORY"] = "/mnt/nswarden"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true result of condition(). An OSError counts as not yet."""
    end = time.monotonic() + deadline
    while True:
        trouble = ""
        try:
            result = condition()
        except OSError as error:
            result, trouble = None, f" ({error})"
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what() if callable(what) else what}{trouble}")
        time.sleep(0.01)


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse_metrics(text):
    """Strict parser of the Prometheus text format: {name: {labels as a frozenset of pairs: value}}. A duplicate series is an
    error, which promtool would miss."""
    metrics = {}
    for line in text.split("\n")[:-1]:
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = SAMPLE.fullmatch(line)
        if not match:
            raise AssertionError(f"no sample: {line!r}")
        name, label_text, value = match.groups()
        labels, position = {}, 0
        while label_text and position < len(label_text):
            label = LABEL.match(label_text, position)
            if not label:
                raise AssertionError(f"no label: {label_text[position:]!r}")
            labels[label[1]] = re.sub(r'\\(.)', lambda m: {"n": "\n"}.get(m[1], m[1]), label[2])
            position = label.end()
        series = metrics.setdefault(name, {})
        key = frozenset(labels.items())
        if key in series:
            raise AssertionError(f"twice: {line!r}")
        series[key] = float(value)
    return metrics


class Metrics(dict):
    """parse_metrics() with queries. Names lack their prefix."""

    def all(self, name, **labels):
        """{labels: value} of the series that have at least these labels."""
        wanted = set(labels.items())
        return {key: value for key, value in self.get("nswarden_" + name, {}).items() if wanted <= key}

    def sum(self, name, **labels):
        return sum(self.all(name, **labels).values())

    def labels(self, name, label, **labels):
        """The values of one label, over the series that have at least `labels`."""
        return sorted(dict(key)[label] for key in self.all(name, **labels))


def policy(name, netns, sysctls, mode=None, **fields):
    lines = [f"  - name: {name}", f"    netns: {json.dumps(netns)}"]
    lines += [f"    {field}: {json.dumps(value)}" for field, value in fields.items()]
    if mode:
        lines.append(f"    mode: {mode}")
    lines.append("    sysctls:")
    lines += [f"      {key}: {json.dumps(str(value)) if ' ' in str(value) else value}" for key, value in sysctls.items()]
    return "\n".join(lines) + "\n"


def config(*policies, **top):
    head = "".join(f"{name}: {value}\n" for name, value in top.items())
    return f"version: 1\n{head}policies:\n" + "".join(policies)


BINARY = os.environ.get("NSWARDEN_BINARY", "")
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def run_binary(*arguments, prefix=(), environment=None):
    """Runs a command to its end: exit status, stdout and stderr."""
    return subprocess.run([*prefix, BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * TIME_FACTOR, check=False,
                          encoding="utf-8", errors="surrogateescape", env={**os.environ, **(environment or {})})


class Daemon:
    """A running `nswarden run`. Reads its log continuously."""

    def __init__(self, *arguments, log_level="debug", netns_dirs=(NETNS_DIR,), interval="200ms", prefix=(), environment=None,
                 connect=None, popen_options=None):
        """`prefix` is a command that executes the daemon; `connect` replaces socket.create_connection; `popen_options` are
        those of an Injector of syscall_faults."""
        command = [*prefix, BINARY, "run", "--web.listen-address=127.0.0.1:0", f"--log.level={log_level}", "--log.format=json", *arguments]
        command += [f"--netns.dir={directory}" for directory in netns_dirs]
        if interval:
            command.append(f"--reconcile.interval={interval}")
        self.lines = []
        self.unlisted = []  # lines that docs/log-messages.md does not list
        self.interval = interval
        self.connect = connect
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env={**os.environ, **(environment or {})}, **(popen_options or {}))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self.address = self.wait_log(lambda line: "address" in line, "the address it listens on")["address"]
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def _read(self):
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
                if problem := log_page.problem(self.lines[-1]):
                    self.unlisted.append(problem)
            except ValueError:
                self.lines.append({"not_json": line.decode("utf-8", "replace")})

    def log(self):
        return "\n".join(json.dumps(line) for line in self.lines[-60:])

    def wait_log(self, wanted, what):
        def find():
            if self.process.poll() is not None:
                self.reader.join(DEADLINE)
                raise AssertionError(f"the daemon ended with {self.process.returncode} before {what}:\n{self.log()}")
            return next((line for line in list(self.lines) if wanted(line)), None)

        return wait_until(find, lambda: f"{what}; its log:\n{self.log()}")

    def wait_ready(self):
        wait_until(lambda: self.http("GET", "/-/ready")[0] == 200, lambda: f"ready; its log:\n{self.log()}")

    def http(self, method, path, headers=None, body=None):
        """Status, headers (names in lower case) and body of one request on its own connection."""
        import http.client
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=DEADLINE)
        if self.connect:
            connection.sock = self.connect((host.strip("[]"), int(port)))
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def cpu_seconds(self):
        # Not from stat: its times are sampled at ticks, and a thread that sleeps until a tick always appears to run.
        total = 0
        tasks = f"/proc/{self.process.pid}/task"
        for thread in os.listdir(tasks):
            with open(f"{tasks}/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def scrape_text(self):
        status, _, body = self.http("GET", "/metrics")
        assert status == 200, status
        return body.decode("utf-8")

    def scrape(self):
        return Metrics(parse_metrics(self.scrape_text()))

    def wait_metrics(self, condition, what):
        """The first scrape for which condition(metrics) is true."""

        def check():
            metrics = self.scrape()
            return metrics if condition(metrics) else None

        return wait_until(check, lambda: f"{what}; its log:\n{self.log()}")

    def wait_sweeps(self, count=2):
        """Waits for that many complete sweeps, so that one of them saw the current state."""
        name = "reconciles_total"
        before = self.scrape().sum(name)
        return self.wait_metrics(lambda metrics: metrics.sum(name) >= before + count, f"{count} sweeps")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Stops it like a service manager; returns its exit status."""
        self.signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        self._close()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        self.reader.join(DEADLINE)
        self.process.stderr.close()


class Case(unittest.TestCase):
    """A test with its own directory. No netns exists at its start, and none of its daemons and netns remain at its end."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="nswarden-e2e-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self._clear_run)
        self.config_file = os.path.join(self.directory, "nswarden.yaml")

    def _clear_run(self):
        while targets := self._mounts_below_run():
            for target in reversed(targets):
                try:
                    umount(target)
                except OSError as error:
                    if error.errno != errno.EINVAL:  # covered mounts, as by `ip netns add`, are removed in the next round
                        raise
        for entry in os.listdir("/run"):
            shutil.rmtree(os.path.join("/run", entry), ignore_errors=True)

    def _mounts_below_run(self):
        with open("/proc/self/mountinfo", "rb") as file:
            targets = [line.split()[4].decode("unicode_escape").encode("latin1") for line in file]
        return [target for target in targets if target.startswith(b"/run/")]

    def configure(self, text, path=None):
        """Writes a configuration atomically: the new file is renamed over the old one."""
        path = path or self.config_file
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def own_procfs(self):
        """A separate procfs, as in containers: writes through it cause no event (kernel fact 17)."""
        path = os.path.join(self.directory, "proc")
        os.mkdir(path)
        mount("proc", path, b"proc")
        self.addCleanup(umount, path)
        return path

    def start(self, *arguments, **options):
        daemon = Daemon(f"--config.file={self.config_file}", *arguments, **options)
        self.addCleanup(self._end, daemon)
        return daemon

    def _end(self, daemon):
        if daemon.process.poll() is not None:
            daemon.kill()
        else:
            self.assertEqual(daemon.stop(), 0, f"its end; its log:\n{daemon.log()}")
        self.assertEqual(daemon.unlisted, [])

    def wait_value(self, name, key, value, directory=NETNS_DIR):
        wait_until(lambda: get(name, key, directory) == str(value), f"{key} is {value} in {name}")
