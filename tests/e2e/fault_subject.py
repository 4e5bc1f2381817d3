# SPDX-License-Identifier: Apache-2.0
"""One daemon under an injector: the requests to it and the invariants that must hold afterwards. Used by faults.py."""

import collections
import http.client
import os
import signal
import subprocess
import threading
import time

import harness
from fault_world import PATIENCE, Problem, until
from harness import NETNS_DIR
from syscall_faults import place_name

PORT = 10042  # the test has a netns of its own


class Subject:
    """One daemon under an injector."""

    def __init__(self, world, injector, interval="100ms"):
        self.world, self.injector = world, injector
        self.log = []
        open(world.created, "wb").close()
        self.process = subprocess.Popen(
            [os.environ["NSWARDEN_BINARY"], "run", f"--config.file={world.config_file}",
             f"--web.listen-address=127.0.0.1:{PORT}", f"--netns.dir={NETNS_DIR}", f"--reconcile.interval={interval}",
             "--log.level=debug", "--web.enable-lifecycle"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **injector.popen_options())
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.quiet = None
        self.lost_command = False  # in the last add()
        self.commands_done = 0  # or failed, at the last consistent state

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip("\n"))
            del self.log[:-2000]

    def ended(self):
        return self.process.poll() is not None

    def http(self, method, path, patience=3.0):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=patience)
        try:
            connection.request(method, path, headers={"Accept-Encoding": "identity"})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8")
        finally:
            connection.close()

    def metrics(self):
        status, body = self.http("GET", "/metrics")
        if status != 200:
            raise OSError(f"/metrics: status {status}")
        return harness.Metrics(harness.parse_metrics(body))

    def wait_ready(self):
        """False if it ended instead."""

        def check():
            if self.ended():
                return None
            status = self.http("GET", "/-/ready")[0]
            return None if status == 200 else f"/-/ready says {status}"

        until(check, "ready")
        return not self.ended()

    # The phases of a running daemon: each requests one thing and waits until it has happened.

    def ask(self, method, path):
        """A request that may fail while a fault is armed."""
        try:
            self.http(method, path)
        except (OSError, http.client.HTTPException):
            pass

    def add(self):
        """A new netns: compliant, and its command has run or is known to have failed."""
        before, broken = self.commands_done, self.times_broken()
        self.lost_command = False
        self.world.add()
        self.until_compliant("a new netns is made right")

        def check():
            self.death()
            if commands_of(self.metrics()) > before:
                return None
            # When memory runs out half-way the daemon rescans all netns, but the list of pending commands is lost.
            self.lost_command = self.times_broken() > broken
            return None if self.lost_command else "neither done nor failed"

        until(check, "its command")

    def times_broken(self):
        return sum("internal error" in line for line in self.log)

    def drift(self):
        self.world.drift()
        self.until_compliant("drift is repaired")

    def reload(self):
        self.world.want = 1235 if self.world.want == 1234 else 1234
        self.world.configure()
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 0.5  # a failed reload is reported; until_well() retries
        while self.world.noncompliant_setting() and time.monotonic() < end:
            time.sleep(0.003)

    def scrape(self):
        self.ask("GET", "/metrics")
        self.ask("GET", "/-/ready")
        self.ask("GET", "/")

    def post(self):
        self.ask("POST", "/-/reload")

    def delete(self):
        if self.world.delete_new():
            time.sleep(0.02)  # the daemon reacts immediately; until_well() waits for the outcome

    def sweep(self):
        time.sleep(0.15)

    def until_compliant(self, what):
        until(lambda: self.death() or self.world.noncompliant_setting(), what)

    def death(self):
        if self.ended():
            raise Problem(f"it ended: {status_name(self.process.returncode)}")

    # Invariants.

    def fds(self):
        """Number of fds of each kind, without the placeholders of close_fault."""
        found = collections.Counter()
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                found[place_name(os.readlink(f"/proc/{self.process.pid}/fd/{fd}"))] += 1
            except FileNotFoundError:
                pass
        del found["/dev/full"]
        found["threads"] = len(os.listdir(f"/proc/{self.process.pid}/task"))
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            found["children"] = len(file.read().split())
        if found["children"] == 0:  # the command server has ended; the next command starts another
            found["children"] += 1
            found["socket"] += 2
        return found

    def until_consistent(self):
        """Consistent again, like a daemon that never met a fault."""
        self.until_compliant("every setting is right")
        asked = []

        def check():
            self.death()
            metrics = self.metrics()
            if metrics.sum("config_last_reload_successful") != 1:
                if not asked:
                    asked.append(self.process.send_signal(signal.SIGHUP))
                return "the last reload failed"
            self.commands_done = commands_of(metrics)
            return self.world.noncompliant_setting() or self._contradiction(metrics)

        until(check, "metrics agree")
        self._until_events_arrive()
        if self.quiet is not None and len(self.world.governed) == 2:
            until(self._leak, "open files and threads as without faults")
        twice = self.world.commands_twice()
        if twice:
            raise Problem(f"commands ran twice for {twice}")
        wrong = self.world.unexpected_write()
        if wrong:
            raise Problem(f"written where nothing may be written: {wrong}")

    def _contradiction(self, metrics):
        routers = len(self.world.governed)
        settings = 1 + len(self.world.settings)
        expected = {
            ("netns", "routers"): routers, ("netns", "watched"): 1, ("netns", "lacking"): 1,
            ("managed_sysctls", "routers"): routers * settings,
            ("managed_sysctls", "watched"): 1, ("managed_sysctls", "lacking"): 1,
            ("drifted_sysctls", "routers"): 0, ("drifted_sysctls", "watched"): 1, ("drifted_sysctls", "lacking"): 1,
        }
        for (name, label), want in expected.items():
            have = metrics.sum(name, policy=label)
            if have != want:
                return f"{name} of {label} is {have:g}, not {want}"
        if metrics.sum("sysctl_drift") + metrics.sum("sysctl_drift_hidden") != 2:
            return "the series of drifted settings are not 2"
        if metrics.sum("commands_queued") + metrics.sum("commands_running") != 0:
            return "commands wait or run"
        if metrics.sum("netns_unmatched") != 1 or metrics.sum("netns_pending") != 0:
            return "netns_unmatched is not 1 or netns_pending is not 0"
        down = [dict(key) for key, up in metrics.all("event_source_up").items() if up != 1]
        return f"down: {down}" if down else None

    def _until_events_arrive(self):
        """A source that claims to be up reports current events, or the next ones if it was down during these."""
        came = set()

        def check():
            before = self.metrics()
            os.close(os.open("/run/netns/probe", os.O_CREAT | os.O_WRONLY, 0o600))
            harness.mount("/run/netns/probe", "/run/netns/probe", b"none", harness.MS_BIND)
            harness.umount("/run/netns/probe")
            os.unlink("/run/netns/probe")
            end = time.monotonic() + 0.2
            while len(came) < 2 and time.monotonic() < end:
                now = self.metrics()
                for source, event in (("inotify", "IN_DELETE"), ("mount", "change")):
                    if count_of(now, source, event) > count_of(before, source, event):
                        came.add(source)
            return None if len(came) == 2 else f"only of {sorted(came)}"

        until(check, "events come")
        until(lambda: "netns_pending is not 0" if self.metrics().sum("netns_pending") else None, "nothing pending")

    def _leak(self):
        now = self.fds()
        return None if now == self.quiet else f"more: {dict(now - self.quiet)}, fewer: {dict(self.quiet - now)}"

    def settle(self):
        """Records the open files of a daemon without faults, once they are stable while no request is pending."""

        def check():
            before = self.fds()
            time.sleep(0.05)
            self.quiet = self.fds()
            return None if before == self.quiet else "they change"

        until(check, "open files stand still")

    def stop(self):
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Problem(f"SIGTERM does not end it within {PATIENCE:g} s") from None
        finally:
            self.injector.disarm()

    def close(self):
        if not self.ended():
            self.process.kill()
        self.process.wait()
        self.reader.join(10)
        self.process.stderr.close()
        self.injector.close()


def commands_of(metrics):
    return metrics.sum("actions_total", policy="routers", action="command")


def status_name(status):
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def count_of(metrics, source, event):
    return metrics.sum("events_total", source=source, event=event)
