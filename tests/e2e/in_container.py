# SPDX-License-Identifier: Apache-2.0
"""usage: in_container.py HOST_PROCFS COMMAND... Executes COMMAND in its own mount and PID namespaces, as a container engine
makes them: its own procfs at /proc, the host's at HOST_PROCFS, and mounts of the host propagate. SIGTERM and the exit status
are passed on."""

import os
import signal
import sys

import harness

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_REC, MS_SLAVE = 16384, 1 << 19


def main():
    host_procfs, *command = sys.argv[1:]
    harness.call("unshare", CLONE_NEWNS | CLONE_NEWPID)
    harness.mount("none", "/", b"", MS_REC | MS_SLAVE)
    harness.mount("/proc", host_procfs, b"none", harness.MS_BIND)
    child = os.fork()
    if child == 0:
        harness.mount("proc", "/proc", b"proc")
        os.execvp(command[0], command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
