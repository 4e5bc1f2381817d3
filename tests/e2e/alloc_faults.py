# SPDX-License-Identifier: Apache-2.0
"""Makes one allocation of a program fail, by preloading tests/support/fail_alloc.c; $FAIL_ALLOC_LIBRARY is the library. Used
like syscall_faults.Injector; its only site is "allocation"."""

import errno
import mmap
import os
import struct

SITE = "allocation"
ERROR = errno.ENOMEM
CONTROL = "QQQQ"  # count, fail_at, failed, in_main


class AllocInjector:
    def __init__(self, directory):
        self.path = os.path.join(directory, "allocations")
        with open(self.path, "wb") as file:
            file.truncate(mmap.PAGESIZE)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.fault = None

    def popen_options(self):
        return {"env": {**os.environ, "LD_PRELOAD": os.environ["FAIL_ALLOC_LIBRARY"], "FAIL_ALLOC_FILE": self.path}}

    def arm(self, fault=None):
        self.fault = fault
        struct.pack_into("QQQ", self.page, 0, 0, fault.position if fault else 0, 0)

    def disarm(self):
        if self.fault is None:
            return
        if struct.unpack_from(CONTROL, self.page)[2]:
            self.fault.fired = True
            self.fault.where = self._where()
        struct.pack_into("Q", self.page, 8, 0)
        self.fault = None

    @property
    def counts(self):
        return {SITE: struct.unpack_from(CONTROL, self.page)[0]}

    def close(self):
        self.disarm()
        self.page.close()

    def _where(self):
        """The stack of the failed allocation, innermost frame first."""
        with open(self.path, "rb") as file:
            file.seek(mmap.PAGESIZE)
            text = file.read().decode("utf-8", "replace")
        os.truncate(self.path, mmap.PAGESIZE)
        return text.splitlines()
