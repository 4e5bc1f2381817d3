# SPDX-License-Identifier: Apache-2.0
"""The unit in a booted system, for tests there: its configuration, flags and drop-ins, and the output of systemd and the
daemon."""

import os
import re
import shutil
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import harness  # noqa: E402
from harness import NETNS_DIR, Metrics, parse_metrics, wait_until  # noqa: E402

UNIT = "nswarden.service"
CONFIG = "/etc/nswarden/nswarden.yaml"
DEFAULTS = "/etc/default/nswarden"
DROP_INS = f"/run/systemd/system/{UNIT}.d"
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "systemd.md")
URL = "http://127.0.0.1:10042"


def systemctl(*arguments, check=True):
    done = subprocess.run(["systemctl", *arguments], capture_output=True, encoding="utf-8", check=False, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"systemctl {' '.join(arguments)}: {done.stdout}{done.stderr}\n{journal()}")
    return done.stdout.strip()


def journal(lines=25):
    done = subprocess.run(["journalctl", "-u", UNIT, "-n", str(lines), "-o", "cat", "--no-pager"], capture_output=True,
                          encoding="utf-8", check=False)
    return done.stdout


def show(name):
    return systemctl("show", "--property", name, "--value", UNIT)


def main_pid():
    return int(show("MainPID"))


def restarts():
    return int(show("NRestarts"))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


def arguments(text):
    write(DEFAULTS, f'ARGS="{text}"\n')


def drop_in(name, text):
    write(os.path.join(DROP_INS, name + ".conf"), text)
    systemctl("daemon-reload")


def without_drop_ins():
    shutil.rmtree(DROP_INS, ignore_errors=True)
    systemctl("daemon-reload")


def documented(name):
    """A drop-in from the documentation: a block whose first line is the comment with its path."""
    with open(DOCS, encoding="utf-8") as file:
        blocks = re.findall(r"```ini\n# /etc/systemd/system/nswarden\.service\.d/(\S+)\.conf\n(.*?)```", file.read(), re.DOTALL)
    return dict(blocks)[name]


def documented_command(beginning):
    """A block of the documentation with this beginning."""
    with open(DOCS, encoding="utf-8") as file:
        return next(block[1:] for block in file.read().split("```")[1::2] if block.startswith("\n" + beginning))


def http(path):
    """Status and body."""
    try:
        with urllib.request.urlopen(URL + path, timeout=harness.DEADLINE) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8")


def scrape():
    return Metrics(parse_metrics(http("/metrics")[1]))


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def clear_netns():
    """Like a machine that never had a daemon."""
    while True:
        with open("/proc/self/mountinfo", "rb") as file:
            targets = [line.split()[4].decode("unicode_escape").encode("latin1") for line in file]
        targets = [target for target in targets if (target + b"/").startswith(os.fsencode(NETNS_DIR + "/"))]
        if not targets:
            break
        for target in reversed(targets):
            try:
                harness.umount(target)
            except OSError:  # covered by another mount; removed in the next round
                pass
    shutil.rmtree(NETNS_DIR, ignore_errors=True)


class UnitCase(unittest.TestCase):
    """Starts with the daemon running as installed, an hourly sweep, so that only events can be fast, and no netns."""

    def setUp(self):
        with open(CONFIG, encoding="utf-8") as file:
            self.addCleanup(write, CONFIG, file.read())
        self.addCleanup(without_drop_ins)
        self.addCleanup(clear_netns)
        self.addCleanup(systemctl, "stop", UNIT)
        systemctl("stop", UNIT)
        clear_netns()
        arguments("--reconcile.interval=1h")
        systemctl("start", UNIT)

    def wait(self, condition, what, deadline=harness.DEADLINE):
        return wait_until(condition, lambda: f"{what}; the journal:\n{journal()}", deadline)

    def wait_ready(self):
        self.wait(lambda: http("/-/ready")[0] == 200, "ready")
