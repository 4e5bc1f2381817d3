# SPDX-License-Identifier: Apache-2.0
"""Stops a thread at the entry of a system call, by ptrace, so that a test can act at exactly that point. Only for the thread
that created it. Standard library only."""

import ctypes
import os
import platform
import signal
import struct
import time

from harness import DEADLINE, libc

PTRACE_SYSCALL, PTRACE_DETACH = 24, 17
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 0x4206, 0x4207, 0x420e
PTRACE_O_TRACESYSGOOD = 1
SYSCALL_STOP = signal.SIGTRAP | 0x80
WALL = 0x40000000
INFO = struct.Struct("=BxxxIQQQ6Q")  # ptrace_syscall_info at an entry: op, arch, two pointers, nr, arguments
ENTRY = 1
NUMBERS = {"x86_64": {"pread": 17, "pwrite": 18, "setns": 308, "openat2": 437},
           "aarch64": {"pread": 67, "pwrite": 68, "setns": 268, "openat2": 437}}[platform.machine()]

libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    if libc.ptrace(request, pid, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


class Tracer:
    """Use as a context manager. No other thread may wait for the process meanwhile."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        ptrace(PTRACE_SEIZE, self.pid, 0, PTRACE_O_TRACESYSGOOD)
        ptrace(PTRACE_INTERRUPT, self.pid)
        self._wait()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:  # it may be running; while it lives, it stops
            ptrace(PTRACE_INTERRUPT, self.pid)
            self._wait()
        ptrace(PTRACE_DETACH, self.pid)

    def _wait(self):
        """Waits until it has stopped; returns the signal."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG | WALL)
            if pid == 0:
                time.sleep(0)
            elif os.WIFSTOPPED(status):
                return os.WSTOPSIG(status)
            else:
                raise AssertionError(f"it ended with status {status}")
        raise AssertionError("it never came to the place where it was to be held")

    def run_to(self, name, wanted=lambda *arguments: True):
        """Waits until it enters this call with arguments for which wanted() is true."""
        buffer = ctypes.create_string_buffer(128)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            ptrace(PTRACE_SYSCALL, self.pid)
            if self._wait() != SYSCALL_STOP:
                continue
            ptrace(PTRACE_GET_SYSCALL_INFO, self.pid, len(buffer), ctypes.addressof(buffer))
            op, _, _, _, number, *arguments = INFO.unpack_from(buffer)
            if op == ENTRY and number == NUMBERS[name] and wanted(*arguments):
                return
        raise AssertionError(f"it never made the call {name} that was waited for")

    def inode_of(self, fd):
        return os.stat(f"/proc/{self.pid}/fd/{fd}").st_ino
