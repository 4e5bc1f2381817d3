# SPDX-License-Identifier: Apache-2.0
"""A daemon under injected faults, and the table of results. Used by faults_test.py and tests/long/faults.

A phase makes one request to a running daemon while one fault is armed; then everything must become compliant again without
further faults. A surviving daemon meets the next fault too, so that faults also hit the state that earlier ones left.
"""

import collections
import errno
import signal
import time

from alloc_faults import SITE as ALLOCATION, AllocInjector
from fault_subject import Subject, status_name
from fault_world import Problem, World
from syscall_faults import Fault, Injector

PHASES = ("start", "add", "drift", "reload", "scrape", "post", "delete", "sweep", "stop")


def some_positions(count, random):
    """Of `count` calls: all, or, if there are many, the first ones, the last, and two others."""
    if count <= 6:
        return list(range(1, count + 1))
    return [1, 2, 3, count, *random.sample(range(4, count), 2)]


Result = collections.namedtuple("Result", "phase fault outcome detail seconds")


class Trial:
    """Injects faults one after another, into the same daemon while it lives."""

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
            self.subject.until_consistent()
            self.subject.settle()
        return self.subject

    def counts(self, phase):
        """{site: number of calls} in a phase without a fault."""
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
                raise Problem("it does not end with 0 even without a fault")
            counts = dict(subject.injector.counts)
            self.forget()
            return counts
        getattr(subject, phase)()
        counts = dict(subject.injector.counts)
        subject.delete()
        subject.until_consistent()
        return counts

    def run(self, phase, site, error, position):
        fault = Fault(site, error, position)
        began = time.monotonic()
        try:
            outcome, detail = self._attempt(phase, fault)
        except Problem as problem:
            outcome, detail = self._verdict_of_end(fault, str(problem))
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
        subject.until_consistent()
        return "survived", "a command was lost" if phase == "add" and subject.lost_command else ""

    def _give_time(self, fault):
        """Timed work of the daemon happens in each sweep."""
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
            self.subject.until_consistent()
            status = self.subject.stop()
            return ("survived", "") if status == 0 else ("FAILED", f"at its end: {status_name(status)}")
        return self._verdict_of_end(fault, "")

    def _verdict_of_end(self, fault, problem):
        subject = self.subject
        subject.injector.disarm()
        if not subject.ended():
            return "FAILED", f"{problem}; its log: {last(subject.log)}"
        subject.reader.join(10)
        status = subject.process.returncode
        if status == -signal.SIGABRT and fault.site == "setns home":
            return "aborted", ""  # a thread that cannot return to its own netns must not continue
        if status == -signal.SIGSEGV and in_civetweb_start(fault):
            return "aborted", "CivetWeb 1.15 crashes when it cannot copy an option"
        lines = [line for line in subject.log if line.startswith("nswarden: ")]
        starting = not any("first sweep done" in line for line in subject.log)
        if starting and status == 2 and len(lines) == 1 and subject.log[-1] == lines[0]:
            return "exit 2", lines[0]
        return "FAILED", f"{problem or status_name(status)}; {last(subject.log)}"

    def forget(self):
        if self.subject is not None:
            self.subject.close()
            self.subject = None
        self.world.delete_new()

    def close(self):
        self.forget()
        self.world.close()


def in_civetweb_start(fault):
    """Whether mg_start() makes the allocation itself, through one function of CivetWeb."""
    frames = [line for line in fault.where if "libfail_alloc" not in line]
    return len(frames) > 1 and "libcivetweb" in frames[0] and "(mg_start2+" in frames[1]


def last(log):
    return " | ".join(log[-3:])


class Table:
    """The injected fault and its outcome."""

    OUTCOMES = ("survived", "exit 2", "aborted", "not reached", "FAILED")

    def __init__(self):
        self.results = []

    def add(self, result):
        self.results.append(result)

    def failures(self):
        failed = [r for r in self.results if r.outcome == "FAILED"]
        return ["\n    ".join([f"{r.phase}: {r.fault}: {r.detail}", *r.fault.where[:24]]) for r in failed]

    def rows(self):
        """One per site and errno."""
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
            where = where if len(where) <= 30 else "most"
            lines.append(f"{site:<44} {error:<13} {where:<30} {sum(outcomes.values()):>5} {counts} {longest:>6.1f} s")
        total = collections.Counter(r.outcome for r in self.results)
        lines.append(f"in all: {len(self.results)} tried: " + ", ".join(f"{total[name]} {name}" for name in self.OUTCOMES))
        lost = sum(r.outcome == "survived" and bool(r.detail) for r in self.results)
        lines.append(f"of those that survived, {lost} lost the IN_CREATE command of the netns that came")
        messages = collections.Counter(r.detail for r in self.results if r.outcome == "exit 2")
        lines += ["", "Lines with which it refused to start:"]
        lines += [f"{count:>5}  {line}" for line, count in sorted(messages.items())]
        return "\n".join(lines) + "\n"
