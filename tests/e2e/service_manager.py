#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: systemctl VERB [--now] UNIT

A stand-in for systemd where a test runs the commands of a page verbatim: starts and stops the unit described by its file in
$UNITS, a JSON object with `command` and `ready` (shell commands). The environment file of the unit is /etc/default/UNIT.
Supports mask, unmask, enable, disable, start, stop and restart, and rejects all other verbs.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

DEADLINE = 20


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"systemctl: not within {DEADLINE} s: {what}")
        time.sleep(0.01)


class Unit:
    def __init__(self, name):
        self.name = name.removesuffix(".service")
        self.path = os.path.join(os.environ["UNITS"], self.name)
        with open(self.path + ".json", encoding="utf-8") as file:
            self.has = json.load(file)

    def mark(self, what):
        return f"{self.path}.{what}"

    def pid(self):
        try:
            with open(self.mark("pid"), encoding="ascii") as file:
                return int(file.read())
        except FileNotFoundError:
            return None

    def environment(self):
        words = {}
        if os.path.exists(f"/etc/default/{self.name}"):
            with open(f"/etc/default/{self.name}", encoding="utf-8") as file:
                words = dict(word.split("=", 1) for word in shlex.split(file.read(), comments=True))
        return {**os.environ, **words}

    def start(self):
        if os.path.exists(self.mark("masked")):
            sys.exit(f"systemctl: {self.name} is masked")
        if self.pid() and lives(self.pid()):
            return
        with open(self.mark("log"), "ab") as log:
            process = subprocess.Popen(["/bin/sh", "-c", "exec " + self.has["command"]], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True, env=self.environment())
        with open(self.mark("pid"), "w", encoding="ascii") as file:
            file.write(str(process.pid))
        wait_until(lambda: process.poll() is not None or subprocess.run(self.has["ready"], shell=True, check=False).returncode == 0,
                   f"{self.name} is ready")
        if process.poll() is not None:
            sys.exit(f"systemctl: {self.name} ended with {process.returncode}")

    def stop(self):
        pid = self.pid()
        if pid and lives(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not lives(pid), f"{self.name} has stopped")
        # The readiness notice must come from the last start.
        for what in ("pid", "log"):
            if os.path.exists(self.mark(what)):
                os.unlink(self.mark(what))


def main():
    verb, *rest = sys.argv[1:]
    now = "--now" in rest
    names = [word for word in rest if word != "--now"]
    for unit in map(Unit, names):
        if verb == "mask":
            open(unit.mark("masked"), "w", encoding="ascii").close()
        elif verb == "unmask":
            os.unlink(unit.mark("masked"))
        elif verb in ("enable", "disable"):
            if now:
                (unit.start if verb == "enable" else unit.stop)()
        elif verb in ("start", "stop"):
            (unit.start if verb == "start" else unit.stop)()
        elif verb == "restart":
            unit.stop()
            unit.start()
        else:
            sys.exit(f"systemctl: {verb}: not known here")


if __name__ == "__main__":
    main()
