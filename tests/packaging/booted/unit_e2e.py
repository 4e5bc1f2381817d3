# SPDX-License-Identifier: Apache-2.0
"""Runs a file of tests/e2e in a booted system, with the daemon started by systemd, in the sandbox of its unit: unit_e2e.py
NAME. Tests that start the daemon differently (another user, other namespaces) are skipped: the unit has only one way."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import unit  # sets the path of the end-to-end harness

import harness

LOG = "/run/nswarden-e2e.log"
FILES = "/var/lib/nswarden-e2e"
# A daemon killed by a test is not restarted.
DROP_IN = f"""[Service]
Restart=no
StandardError=truncate:{LOG}
"""


class UnitProcess:
    """The harness's process operations, applied to the unit."""

    def __init__(self):
        self.returncode = None
        self.stderr = open(LOG, "rb")  # closed by the harness, like that of a process
        self.pid = unit.main_pid()
        self.ended = threading.Event()

    def poll(self):
        if self.returncode is None and (self.pid == 0 or not os.path.exists(f"/proc/{self.pid}")):
            harness.wait_until(lambda: unit.show("ActiveState") in ("inactive", "failed"), "the end of the unit")
            status = int(unit.show("ExecMainStatus"))
            self.returncode = status if unit.show("ExecMainCode") == "1" else -status  # CLD_EXITED, or by a signal
            self.ended.set()
        return self.returncode

    def wait(self, timeout=harness.DEADLINE):
        harness.wait_until(lambda: self.poll() is not None, "the end of the daemon", timeout)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def lines(self):
        """Reads its log until it has ended."""
        rest = b""
        while True:
            ended = self.ended.is_set()
            *lines, rest = (rest + self.stderr.read()).split(b"\n")
            yield from lines
            if ended:
                return
            time.sleep(0.002)


class UnitDaemon(harness.Daemon):
    def __init__(self, *arguments, log_level="debug", netns_dirs=(harness.NETNS_DIR,), interval="200ms", prefix=(), environment=None,
                 connect=None):
        if prefix or environment or connect:
            raise unittest.SkipTest("starts the daemon in a way of its own")
        flags = ["--web.listen-address=127.0.0.1:0", f"--log.level={log_level}", "--log.format=json", *arguments]
        flags += [f"--netns.dir={directory}" for directory in netns_dirs]
        flags += [f"--reconcile.interval={interval}"] if interval else []
        self.lines, self.interval, self.connect = [], interval, None
        unit.systemctl("stop", unit.UNIT)
        unit.arguments(" ".join(flags))
        unit.systemctl("start", unit.UNIT, check=False)
        self.process = UnitProcess()
        self.reader = threading.Thread(target=self._read_lines, daemon=True)
        self.reader.start()
        try:
            self.address = self.wait_log(lambda line: "address" in line, "the address it listens on")["address"]
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def _read_lines(self):
        for line in self.process.lines():
            self.lines.append(harness.json.loads(line))

    def kill(self):
        super().kill()
        unit.systemctl("stop", unit.UNIT)


class UnitCase(harness.Case):
    """The test directories are private to root; the daemon runs as another user."""

    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)

    def _clear_run(self):
        unit.clear_netns()


def main():
    os.makedirs(FILES, exist_ok=True)
    harness.tempfile.tempdir = FILES
    harness.Daemon, harness.Case = UnitDaemon, UnitCase
    harness.main = unittest.main
    unit.systemctl("stop", unit.UNIT)
    unit.clear_netns()
    unit.drop_in("writers", unit.documented("writers"))
    unit.drop_in("e2e", DROP_IN)
    try:
        tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(sys.argv[1] + "_test"))
        result = unittest.TextTestRunner(verbosity=2).run(tests)
    finally:
        unit.without_drop_ins()
        unit.arguments("")
        subprocess.run(["systemctl", "restart", unit.UNIT], check=False)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
