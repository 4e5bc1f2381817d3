# SPDX-License-Identifier: Apache-2.0
"""A daemon under injected faults: what it is made to do (phases), what must hold after each fault, and the table of what
happened. Used by faults_test.py and tests/long/faults.

In a phase one thing is asked of a running daemon, and one fault is armed meanwhile; then everything must come right again
without further faults. A daemon that survived goes on to the next fault, so that faults also meet what earlier ones left.
"""

import collections
import errno
import http.client
import os
import signal
import subprocess
import threading
import time

import harness
from alloc_faults import SITE as ALLOCATION, AllocInjector
from harness import NETNS_DIR, add_netns, config, delete_netns, policy
from syscall_faults import Fault, Injector, place_name

KEY = "net.ipv4.tcp_keepalive_time"
SETTINGS = {"net.ipv4.ip_default_ttl": 77, "net.core.somaxconn": 1234, "net.ipv4.ip_local_reserved_ports": "8080-8082"}
ENTERED = "net.mptcp.enabled"  # used from inside only (kernel fact 14)
PORT = 10042  # the netns of the test is its own
PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "8"))  # seconds to come right again

PHASES = ("start", "add", "drift", "reload", "scrape", "post", "delete", "sweep", "stop")


class Trouble(AssertionError):
    """What must not happen did."""


def until(condition, what, patience=PATIENCE):
    """Waits for condition() to be None, which says it holds; otherwise it says what is wrong."""
    end = time.monotonic() + patience
    while True:
        try:
            wrong = condition()
        except (OSError, http.client.HTTPException) as error:
            wrong = repr(error)
        if wrong is None:
            return
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {patience:g} s: {wrong}")
        time.sleep(0.003)


def held(names, flags=os.O_RDWR):
    """{key: fd} in the netns of the calling thread; they work from outside too (kernel fact 12)."""
    return {name: os.open(harness.key_path(name), flags | os.O_CLOEXEC) for name in names}


def value(fd):
    return " ".join(os.pread(fd, 4096, 0).decode().split())


class Untouched:
    """Every value below net/ipv4 that stands still by itself, in one netns, but for `governed`: nobody may write it."""

    def __init__(self, governed=()):
        self.fds = {}
        for top in ("net/ipv4", "net/ipv4/conf/all", "net/ipv4/conf/default", "net/ipv4/conf/lo", "net/core"):
            for name in os.listdir("/proc/sys/" + top):
                key = f"{top}/{name}".replace("/", ".")
                if key not in governed and os.path.isfile(f"/proc/sys/{top}/{name}"):
                    self._hold(key)
        self.values = {key: self._read(fd) for key, fd in self.fds.items()}

    def _hold(self, key):
        try:
            self.fds.update(held([key], os.O_RDONLY))
        except OSError:
            pass  # one that can only be written

    @staticmethod
    def _read(fd):
        try:
            return os.pread(fd, 4096, 0)
        except OSError as error:
            return error.errno

    def changed(self):
        return {key: (self.values[key], self._read(fd)) for key, fd in self.fds.items() if self._read(fd) != self.values[key]}

    def close(self):
        for fd in self.fds.values():
            os.close(fd)


class World:
    """The netns around the daemon: two that it governs, one under audit, one that no policy matches, and one that lacks a key."""

    def __init__(self, directory):
        self.config_file = os.path.join(directory, "nswarden.yaml")
        self.settings = dict(SETTINGS)
        if os.path.exists(harness.key_path(ENTERED)):
            self.settings[ENTERED] = 0
        self.want = 1234
        self.created = os.path.join(directory, "created")
        self.governed = {}
        self.untouched = {"the test's own netns": Untouched()}
        self.number = 0
        for name in ("router-1", "router-2"):
            self.add(name)
            self.untouched[name] = harness.inside(name, lambda: Untouched({KEY, *self.settings}))
        for name in ("audit-1", "plain-1", "lacking-1"):
            add_netns(name)
            self.untouched[name] = harness.inside(name, Untouched)
        self.configure()

    def configure(self):
        commands = ("    commands:\n      startup: [\":\"]\n      events:\n"
                    f"        IN_CREATE: ['echo $NETNS >>{self.created}']\n")
        text = config(policy("routers", "^router-", {KEY: self.want, **self.settings}) + commands,
                      policy("watched", "^audit-", {KEY: 4321}, mode="audit"),
                      policy("lacking", "^lacking-", {"net.ipv4.conf.absent.forwarding": 1}))
        with open(self.config_file + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(self.config_file + ".new", self.config_file)

    def add(self, name=None):
        if name is None:
            self.number += 1
            name = f"router-new-{self.number}"
        add_netns(name)
        self.governed[name] = harness.inside(name, lambda: held([KEY, *self.settings]))
        return name

    def delete(self, name):
        delete_netns(name)
        for fd in self.governed.pop(name).values():
            os.close(fd)

    def delete_new(self):
        new = [name for name in self.governed if name.startswith("router-new-")]
        for name in new:
            self.delete(name)
        return new

    def drift(self):
        os.pwrite(self.governed["router-1"][KEY], b"4000", 0)
        os.pwrite(self.governed["router-2"]["net.core.somaxconn"], b"4000", 0)

    def wrong_setting(self):
        """None when every setting of every governed netns is right."""
        for name, fds in self.governed.items():
            for key, fd in fds.items():
                want = str(self.settings.get(key, self.want))
                if value(fd) != want:
                    return f"{key} is {value(fd)} in {name}, wanted {want}"
        return None

    def commands_twice(self):
        """IN_CREATE commands run once for each life of a netns, as one daemon sees it; a fault may make it none."""
        with open(self.created, encoding="ascii") as file:
            names = file.read().split()
        return [name for name in names if names.count(name) > 1]

    def wrong_write(self):
        return {name: changed for name, changed in ((name, one.changed()) for name, one in self.untouched.items()) if changed}

    def close(self):
        for name in list(self.governed):
            self.delete(name)
        for one in self.untouched.values():
            one.close()


class Subject:
    """One daemon under an injector."""

    def __init__(self, world, injector, interval="100ms"):
        self.world, self.injector = world, injector
        self.log = []
        open(world.created, "wb").close()
        self.process = subprocess.Popen(
            [os.environ["NSWARDEN_BINARY"], "run", f"--config.file={world.config_file}", f"--web.listen-address=127.0.0.1:{PORT}",
             f"--netns.dir={NETNS_DIR}", f"--reconcile.interval={interval}", "--log.level=debug", "--web.enable-lifecycle"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **injector.popen_options())
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.quiet = None
        self.commands_done = 0  # or failed, when all was well the last time

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
        """False when it ended instead."""

        def look():
            if self.ended():
                return None
            status = self.http("GET", "/-/ready")[0]
            return None if status == 200 else f"/-/ready says {status}"

        until(look, "ready")
        return not self.ended()

    # The phases of a running daemon: each asks for one thing and waits until it has come about.

    def ask(self, method, path):
        """A request that may fail while a fault is armed."""
        try:
            self.http(method, path)
        except (OSError, http.client.HTTPException):
            pass

    def add(self):
        """A new netns: made right, and its command has been run or is known to have failed."""
        before = self.commands_done
        self.world.add()
        self.until_right("a new netns is made right")
        until(lambda: self.death() or (None if commands_of(self.metrics()) > before else "neither done nor failed"), "its command")

    def drift(self):
        self.world.drift()
        self.until_right("drift is repaired")

    def reload(self):
        self.world.want = 1235 if self.world.want == 1234 else 1234
        self.world.configure()
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 0.5  # a reload that failed is said; until_well() asks again
        while self.world.wrong_setting() and time.monotonic() < end:
            time.sleep(0.003)

    def scrape(self):
        self.ask("GET", "/metrics")
        self.ask("GET", "/-/ready")
        self.ask("GET", "/")

    def post(self):
        self.ask("POST", "/-/reload")

    def delete(self):
        if self.world.delete_new():
            time.sleep(0.02)  # what it does now, it does at once; until_well() waits for the outcome

    def sweep(self):
        time.sleep(0.15)

    def until_right(self, what):
        until(lambda: self.death() or self.world.wrong_setting(), what)

    def death(self):
        if self.ended():
            raise Trouble(f"it ended: {status_name(self.process.returncode)}")

    # What must hold afterwards.

    def fds(self):
        """How many of each kind; without those that close_fault left as a mark."""
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
        if found["children"] == 0:  # the server of commands has ended, and the next command starts another
            found["children"] += 1
            found["socket"] += 2
        return found

    def until_well(self):
        """All right again, as a daemon that never met a fault would be."""
        self.until_right("every setting is right")
        asked = []

        def look():
            self.death()
            metrics = self.metrics()
            if metrics.sum("config_last_reload_successful") != 1:
                if not asked:
                    asked.append(self.process.send_signal(signal.SIGHUP))
                return "the last reload failed"
            self.commands_done = commands_of(metrics)
            return self.world.wrong_setting() or self._contradiction(metrics)

        until(look, "metrics agree")
        self._until_events_come()
        if self.quiet is not None and len(self.world.governed) == 2:
            until(self._leak, "open files and threads as without faults")
        twice = self.world.commands_twice()
        if twice:
            raise Trouble(f"commands ran twice for {twice}")
        wrong = self.world.wrong_write()
        if wrong:
            raise Trouble(f"written where nothing may be written: {wrong}")

    def _contradiction(self, metrics):
        routers = len(self.world.governed)
        settings = 1 + len(self.world.settings)
        expected = {
            ("netns", "routers"): routers, ("netns", "watched"): 1, ("netns", "lacking"): 1,
            ("managed_sysctls", "routers"): routers * settings, ("managed_sysctls", "watched"): 1, ("managed_sysctls", "lacking"): 1,
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

    def _until_events_come(self):
        """A source that says it is up tells of what happens now; or of the next, where it was down at this one."""
        came = set()

        def look():
            before = self.metrics()
            os.close(os.open("/run/netns/probe", os.O_CREAT | os.O_WRONLY, 0o600))
            harness.mount("/run/netns/probe", "/run/netns/probe", b"none", harness.MS_BIND)
            harness.umount("/run/netns/probe")
            os.unlink("/run/netns/probe")
            end = time.monotonic() + 0.2
            while len(came) < 2 and time.monotonic() < end:
                now = self.metrics()
                came.update(source for source, event in (("inotify", "IN_DELETE"), ("mount", "change"))
                            if now.sum("events_total", source=source, event=event) > before.sum("events_total", source=source, event=event))
            return None if len(came) == 2 else f"only of {sorted(came)}"

        until(look, "events come")
        until(lambda: "netns_pending is not 0" if self.metrics().sum("netns_pending") else None, "nothing pending")

    def _leak(self):
        now = self.fds()
        return None if now == self.quiet else f"more: {dict(now - self.quiet)}, fewer: {dict(self.quiet - now)}"

    def stop(self):
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Trouble(f"SIGTERM does not end it within {PATIENCE:g} s") from None
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


def some_positions(count, random):
    """Of `count` calls: all, or where they are many the first ones, the last, and two others."""
    if count <= 6:
        return list(range(1, count + 1))
    return [1, 2, 3, count, *random.sample(range(4, count), 2)]


Result = collections.namedtuple("Result", "phase fault outcome detail seconds")


class Trial:
    """Tries faults one after another, with one daemon for as long as it lives."""

    def __init__(self, directory, kind):
        self.directory, self.kind = directory, kind
        self.world = World(directory)
        self.subject = None

    def _injector(self):
        return AllocInjector(self.directory) if self.kind == ALLOCATION else Injector()

    def _running(self):
        if self.subject is None:
            self.subject = Subject(self.world, self._injector())
            self.subject.wait_ready()
            self.subject.until_well()
            until(self._settled, "open files stand still")
        return self.subject

    def _settled(self):
        """The fds of a daemon without faults, seen twice alike."""
        before, self.subject.quiet = self.subject.quiet, self.subject.fds()
        return None if before == self.subject.quiet else "they change"

    def counts(self, phase):
        """{site: how many calls} in a phase without a fault."""
        if phase == "start":
            self.forget()
            self.subject = Subject(self.world, self._injector())
            self.subject.wait_ready()
            return dict(self.subject.injector.counts)
        subject = self._running()
        if phase == "delete":
            subject.add()
        subject.injector.arm()
        if phase == "stop":
            if subject.stop() != 0:
                raise Trouble("it does not end with 0 even without a fault")
            counts = dict(subject.injector.counts)
            self.forget()
            return counts
        getattr(subject, phase)()
        counts = dict(subject.injector.counts)
        subject.delete()
        subject.until_well()
        return counts

    def run(self, phase, site, error, position):
        fault = Fault(site, error, position)
        began = time.monotonic()
        try:
            outcome, detail = self._attempt(phase, fault)
        except Trouble as trouble:
            outcome, detail = self._verdict_of_end(fault, str(trouble))
        seconds = time.monotonic() - began
        if outcome == "survived" and not fault.fired:
            outcome = "not reached"
        if outcome != "survived" or phase in ("start", "stop"):
            self.forget()
        return Result(phase, fault, outcome, detail, seconds)

    def _attempt(self, phase, fault):
        if phase == "start":
            return self._start_with(fault)
        subject = self._running()
        if phase == "delete":
            subject.add()
        subject.injector.arm(fault)
        if phase == "stop":
            status = subject.stop()
            return ("survived", "") if status == 0 else ("FAILED", f"at its end: {status_name(status)}; {last(subject.log)}")
        getattr(subject, phase)()
        self._give_time(fault)
        subject.injector.disarm()
        subject.delete()
        subject.until_well()
        return "survived", ""

    def _give_time(self, fault):
        """What the daemon does by the clock, it does in each sweep."""
        end = time.monotonic() + 0.15
        while not fault.fired and time.monotonic() < end:
            time.sleep(0.003)

    def _start_with(self, fault):
        self.forget()
        injector = self._injector()
        injector.arm(fault)
        self.subject = Subject(self.world, injector)
        alive = self.subject.wait_ready()
        injector.disarm()
        if alive:
            self.subject.until_well()
            status = self.subject.stop()
            return ("survived", "") if status == 0 else ("FAILED", f"at its end: {status_name(status)}")
        return self._verdict_of_end(fault, "")

    def _verdict_of_end(self, fault, trouble):
        subject = self.subject
        if not subject.ended():
            return "FAILED", f"{trouble}; its log: {last(subject.log)}"
        subject.reader.join(10)
        subject.injector.disarm()
        status = subject.process.returncode
        if status == -signal.SIGABRT and fault.site == "setns home":
            return "aborted", ""  # a thread that cannot return to its own netns must not go on
        lines = [line for line in subject.log if line.startswith("nswarden: ")]
        starting = not any("first sweep done" in line for line in subject.log)
        if starting and status == 2 and len(lines) == 1 and subject.log[-1] == lines[0]:
            return "exit 2", lines[0]
        return "FAILED", f"{trouble or status_name(status)}; {last(subject.log)}"

    def forget(self):
        if self.subject is not None:
            self.subject.close()
            self.subject = None
        self.world.delete_new()

    def close(self):
        self.forget()
        self.world.close()


def last(log):
    return " | ".join(log[-3:])


class Table:
    """What was injected, and what came of it."""

    OUTCOMES = ("survived", "exit 2", "aborted", "not reached", "FAILED")

    def __init__(self):
        self.results = []

    def add(self, result):
        self.results.append(result)

    def failures(self):
        return [f"{r.phase}: {r.fault}: {r.detail}\n    " + "\n    ".join(r.fault.where[:24]) for r in self.results if r.outcome == "FAILED"]

    def rows(self):
        """One for each site and errno."""
        rows = collections.OrderedDict()
        for r in sorted(self.results, key=lambda r: (r.fault.site, errno.errorcode[r.fault.error])):
            row = rows.setdefault((r.fault.site, errno.errorcode[r.fault.error]), [collections.Counter(), set(), 0.0])
            row[0][r.outcome] += 1
            row[1].add(r.phase)
            row[2] = max(row[2], r.seconds)
        return rows

    def text(self):
        head = f"{'call':<44} {'error':<13} {'phases':<30} {'tried':>5} " + " ".join(f"{name:>11}" for name in self.OUTCOMES)
        lines = [head + f" {'longest':>8}"]
        for (site, error), (outcomes, phases, longest) in self.rows().items():
            where = ",".join(phase for phase in PHASES if phase in phases)
            counts = " ".join(f"{outcomes[name] or '-':>11}" for name in self.OUTCOMES)
            lines.append(f"{site:<44} {error:<13} {where if len(where) <= 30 else 'all but few':<30} {sum(outcomes.values()):>5} {counts} {longest:>6.1f} s")
        total = collections.Counter(r.outcome for r in self.results)
        lines.append(f"in all: {len(self.results)} tried: " + ", ".join(f"{total[name]} {name}" for name in self.OUTCOMES))
        messages = collections.Counter(r.detail for r in self.results if r.outcome == "exit 2")
        lines += ["", "Lines with which it refused to start:"] + [f"{count:>5}  {line}" for line, count in sorted(messages.items())]
        return "\n".join(lines) + "\n"
