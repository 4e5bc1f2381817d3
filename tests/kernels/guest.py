# SPDX-License-Identifier: Apache-2.0
"""Runs the tests in the guest, and writes results as lines of JSON to its second serial line, where machine.py reads them: first {"kernel",
"factor"}, then {"test", "status", "seconds", "output"} for each test, at last {"end"}."""

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
import tty
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

JOB = "/job"
# Seconds of measure() that the limits of the tests allow for, eight times that of an ordinary machine.
USUAL_SECONDS = 0.4
# At most: a failing test waits for its whole limit.
MOST = 10
# Seconds until a case of netns_tests, or a file of end-to-end tests, is considered to hang: three times the longest on a busy machine.
LIMIT = 300


def measure():
    """Seconds of a fixed work: computing, and starting processes."""
    begin = time.monotonic()
    total = 0
    for number in range(500_000):
        total += number * number
    for _ in range(30):
        subprocess.run(["true"], check=True)
    return time.monotonic() - begin


class Results:
    def __init__(self):
        self.fd = os.open("/dev/ttyS1", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self.fd)
        self.lock = threading.Lock()

    def write(self, **fields):
        line = (json.dumps(fields) + "\n").encode()
        with self.lock:
            while line:
                line = line[os.write(self.fd, line):]

    def test(self, name, status, seconds, output=""):
        self.write(test=name, status=status, seconds=round(seconds, 2), output=output[-6000:])


class Limited:
    """A process that is killed when it makes no progress for some time."""

    def __init__(self, command, limit, **options):
        self.limit, self.exceeded = limit, False
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, **options)
        self.progress()
        threading.Thread(target=self._watch, daemon=True).start()

    def progress(self):
        self.deadline = time.monotonic() + self.limit

    def _watch(self):
        while self.process.poll() is None:
            if time.monotonic() > self.deadline:
                self.exceeded = True
                os.killpg(self.process.pid, 9)
                return
            time.sleep(0.2)


def failures(case):
    """The failed assertions of a test case in Catch2's XML, one a line."""
    found = []
    for part in case.iter():
        place = f"{os.path.basename(part.get('filename', ''))}:{part.get('line')}: "
        if part.tag == "Expression" and part.get("success") == "false":
            texts = [" ".join((part.findtext(name) or "").split()) for name in ("Original", "Expanded")]
            found.append(place + " -> ".join(texts) + "".join(f": threw {(thrown.text or '').strip()}" for thrown in part.iter("Exception")))
        elif part.tag in ("Failure", "Info", "Warning", "FatalErrorCondition") or part.tag == "Exception" and not found:
            found.append(f"{part.tag}: {(part.text or '').strip()}")
    return "\n".join(found)


def run_netns(results, cases):
    """The test program of the kernel; each of its cases is a test. `cases` is a test specification of Catch2."""
    with open("/tmp/netns-errors", "w+b") as errors:
        run = Limited([f"{JOB}/netns_tests", "--reporter", "xml", *cases], LIMIT, stderr=errors)
        parser, name, begin = ElementTree.XMLPullParser(("start", "end")), None, 0.0
        for chunk in iter(lambda: run.process.stdout.read1(65536), b""):
            parser.feed(chunk)
            for event, element in parser.read_events():
                if element.tag != "TestCase":
                    continue
                run.progress()
                if event == "start":
                    name, begin = element.get("name"), time.monotonic()
                    continue
                passed = element.find("OverallResult").get("success") == "true"
                text = failures(element)
                skipped = re.search(r"^Warning: skipped: (.*)", text, re.MULTILINE)
                status = "failed" if not passed else "skipped" if skipped else "passed"
                results.test(f"netns: {name}", status, time.monotonic() - begin, skipped[1] if status == "skipped" else text)
                name = None
                element.clear()
        status = run.process.wait()
        if name or status < 0:
            errors.seek(0)
            why = f"no progress within {run.limit} s" if run.exceeded else f"ended with {status}"
            results.test(f"netns: {name or 'the program'}", "failed", time.monotonic() - begin,
                         f"{why}; later cases did not run\n" + errors.read().decode("utf-8", "replace"))


def run_e2e(results, name):
    begin = time.monotonic()
    run = Limited([sys.executable, "-B", f"{JOB}/tests/e2e/{name}_test.py", "-v"], LIMIT, stderr=subprocess.STDOUT)
    output = run.process.stdout.read().decode("utf-8", "replace")
    status = run.process.wait()
    if run.exceeded:
        output += f"\nnot within {run.limit} s"
    failed = ", ".join(re.findall(r"^(?:FAIL|ERROR): (\w+)", output, re.MULTILINE))
    _, line, failures_only = output.partition("=" * 70)
    output = failures_only if line and not run.exceeded else output
    results.test(f"e2e: {name}", {0: "passed", 77: "skipped"}.get(status, "failed"), time.monotonic() - begin,
                 f"{failed}\n{output}" if status else "")


def enter_container():
    """Moves the program into the namespaces of a container that shares only the host's netns: it has no process of the host in /proc."""
    if "IN_CONTAINER" not in os.environ:
        os.environ["IN_CONTAINER"] = "1"
        os.execvp("unshare", ["unshare", "--pid", "--fork", "--mount", "--propagation", "slave", "--mount-proc", "--uts", "--ipc", "--cgroup",
                              sys.executable, "-B", *sys.argv])


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 524288))  # tests that hold all keys open exceed the usual 1024
    with open(f"{JOB}/plan", encoding="utf-8") as file:
        plan = json.load(file)
    if plan["setting"] == "presets":
        subprocess.run(["sysctl", "-q", "-p", f"{JOB}/sysctl.conf"], check=True)
    elif plan["setting"] == "container":
        enter_container()
    results = Results()
    factor = min(max(measure() / USUAL_SECONDS, 1), MOST)
    results.write(kernel=os.uname().release, factor=round(factor, 1))
    os.environ.update(NSWARDEN_TIME_FACTOR=f"{factor:.1f}", NSWARDEN_BINARY=f"{JOB}/nswarden")
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each test has namespaces of its own
        runs = [pool.submit(run_netns, results, plan["netns"])] if plan["netns"] is not None else []
        runs += [pool.submit(run_e2e, results, name) for name in plan["e2e"]]
    for run in runs:
        run.result()
    results.write(end=True)


main()
