# SPDX-License-Identifier: Apache-2.0
"""Makes chosen system calls of a program fail, by seccomp's user notification (seccomp_unotify(2), Linux 5.9): this process
receives each call of each thread, counts it by site, and then lets it continue or returns an error instead.

A site is the part of a strace line that similar calls share: the call, its object and its caller, as in "read signalfd",
"accept socket (http)" or "fork (server)": threads other than the first serve HTTP; a child that runs the same program is the
command server, its child a supervisor, and that one's child a command before it executes a shell. Standard library only; one
thread of this process serves one program.
"""

import collections
import ctypes
import errno
import fcntl
import functools
import os
import re
import resource
import select
import struct
import subprocess
import threading
import time

# Not intercepted: the call cannot be made to fail, or it happens before the program's own code runs.
NEVER = ("exit", "exit_group", "rt_sigreturn", "restart_syscall", "execve", "arch_prctl", "set_tid_address", "set_robust_list",
         "rseq", "sched_yield", "clock_gettime", "gettimeofday", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid",
         "uname", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "wait4", "vfork")

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_USER_NOTIF = 0x7FC00000
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1
NOTIF_RECV = 0xC0502100
NOTIF_SEND = 0xC0182101
NOTIF_ADDFD = 0x40182103
ADDFD_FLAG_SETFD = 1
F_GETFD = 1
F_SETFD = 2
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


@functools.lru_cache(None)
def syscall_numbers():
    """{name: number}, from the compiler's headers."""
    text = subprocess.run(["cc", "-E", "-dM", "-"], input=b"#include <sys/syscall.h>\n", capture_output=True, check=True).stdout
    return {match[1]: int(match[2]) for match in re.finditer(r"#define __NR_(\w+) (\d+)\n", text.decode())}


@functools.lru_cache(None)
def syscall_names():
    return {number: name for name, number in syscall_numbers().items()}


@functools.lru_cache(None)
def filter_program():
    """Classic BPF: notifies the listener of every call except NEVER."""
    load_number, jump_if_equal, give = 0x20, 0x15, 0x06
    program = [struct.pack("=HBBI", load_number, 0, 0, 0)]
    for name in NEVER:
        if name in syscall_numbers():
            program.append(struct.pack("=HBBI", jump_if_equal, 0, 1, syscall_numbers()[name]))
            program.append(struct.pack("=HBBI", give, 0, 0, SECCOMP_RET_ALLOW))
    program.append(struct.pack("=HBBI", give, 0, 0, SECCOMP_RET_USER_NOTIF))
    return b"".join(program), len(program)


# The argument that identifies the object of a call.
BY_FD = {"read": 0, "pread64": 0, "write": 0, "pwrite64": 0, "fstat": 0, "close": 0, "ioctl": 0, "setns": 0, "getdents64": 0,
         "fcntl": 0, "epoll_pwait2": 0, "epoll_wait": 0, "epoll_pwait": 0, "epoll_ctl": 2, "getsockopt": 0, "setsockopt": 0,
         "bind": 0, "listen": 0, "connect": 0, "accept": 0, "accept4": 0,
         "recvfrom": 0, "recvmsg": 0, "sendto": 0, "sendmsg": 0,
         "getsockname": 0, "shutdown": 0, "dup2": 0, "dup3": 0, "inotify_rm_watch": 0, "lseek": 0}
BY_PATH = {"open": 0, "stat": 0, "access": 0, "readlink": 0, "statfs": 0, "openat": 1, "openat2": 1, "newfstatat": 1,
           "faccessat2": 1, "readlinkat": 1, "inotify_add_watch": 1, "statx": 1, "mkdir": 0}
IOCTLS = {0xB703: "NS_GET_NSTYPE", 0x8008B70D: "NS_GET_ID", 0x541B: "FIONREAD"}
FUTEX_WAITS = (0, 6, 9, 11)

PLACES = [(re.compile(pattern), name) for pattern, name in (
    (r"/proc/(\d+|self|thread-self)/fd/\d+$", "/proc/self/fd/N"),
    (r"/proc/\d+/task/\d+/", "/proc/thread-self/"),
    (r"/proc/(?!1/)\d+/", "/proc/self/"),
    (r"/proc/sys/net/.*[^/]$", "sysctl"),
    (r"/run/netns/.+", "/run/netns/*"),
    (r"/(run|mnt)/nswarden/.+", "/run/nswarden/*"),
    (r"(/tmp|/var/tmp)/nswarden-e2e-[^/]*/?", "CONFIG/"),
    (r"(socket|pipe):\[\d+\]$", r"\1"),
    (r"anon_inode:\[?([a-z]+)\]?$", r"\1"),
    (r"net:\[\d+\]$", "netns"),
    (r"/etc/.*", "/etc/*"),
    (r"/proc/\d+$", "/proc/N"),
)]


@functools.lru_cache(4096)
def place_name(target):
    for pattern, name in PLACES:
        target = pattern.sub(name, target)
    return target


class Fault:
    """One planned failure: the `position`-th call (from 1) of `site` from now on."""

    def __init__(self, site, error, position):
        self.site, self.error, self.position = site, error, position
        self.fired = False
        self.where = []  # the stack, if known

    def __str__(self):
        return f"{self.site} = {errno.errorcode[self.error]}, call {self.position}"


class Injector:
    """One per started program, by Popen(..., **injector.popen_options())."""

    def __init__(self):
        self.counts = collections.Counter()
        self.fault = None
        self.in_main = False
        self.threads = set()
        self.servers = set()
        self.lock = threading.Lock()
        self.report_read_end, self.report_write_end = os.pipe()
        self.home = os.readlink("/proc/self/ns/net")
        self.marker = os.open("/dev/full", os.O_RDONLY | os.O_CLOEXEC)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def popen_options(self):
        return {"preexec_fn": self._preexec}

    def _preexec(self):
        """Runs in the child, between fork and exec. The parent takes the listener's fd; exec closes this one."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))  # some children close every possible fd
        program, length = filter_program()
        buffer = ctypes.create_string_buffer(program, len(program))
        described = struct.pack("HxxxxxxP", length, ctypes.addressof(buffer))
        described = ctypes.create_string_buffer(described, len(described))
        probe = os.dup(0)
        os.close(probe)
        os.write(self.report_write_end, struct.pack("ii", os.getpid(), probe))  # seccomp will return the lowest free number
        if libc.syscall(syscall_numbers()["seccomp"], SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, described) < 0:
            raise OSError(ctypes.get_errno(), "seccomp")

    def arm(self, fault=None):
        """Resets the counts, and injects `fault` when it is due."""
        with self.lock:
            self.counts = collections.Counter()
            self.fault = fault

    def disarm(self):
        with self.lock:
            self.fault = None

    def close(self):
        """The program has ended, or is killed by this."""
        self.thread.join(10)
        os.close(self.marker)

    def _serve(self):
        self.pid, number = struct.unpack("ii", os.read(self.report_read_end, 8))
        os.close(self.report_read_end)
        os.close(self.report_write_end)
        self.listener = self._take(number)
        try:
            self._answer_all()
        finally:
            os.close(self.listener)

    def _take(self, number):
        pidfd = os.pidfd_open(self.pid)
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    if os.readlink(f"/proc/{self.pid}/fd/{number}") == "anon_inode:seccomp notify":
                        return libc.syscall(syscall_numbers()["pidfd_getfd"], pidfd, number, 0)
                except OSError:
                    pass
                time.sleep(0.0002)
        finally:
            os.close(pidfd)
        raise AssertionError("no seccomp listener; the kernel may lack seccomp user notification")

    def _answer_all(self):
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        request = bytearray(80)
        while True:
            ready = poll.poll(1000)
            if ready and not ready[0][1] & select.POLLIN:
                return  # no process is left under the filter
            if not ready:
                continue
            request[:] = bytes(80)
            try:
                fcntl.ioctl(self.listener, NOTIF_RECV, request)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue  # it was just killed
                raise
            identity, thread, _, number, _, _ = struct.unpack_from("=QIIiIQ", request)
            arguments = struct.unpack_from("=6Q", request, 32)
            error = self._decide(identity, thread, number, arguments)
            value, flags = 0, 0 if error else SECCOMP_USER_NOTIF_FLAG_CONTINUE
            if error and number == syscall_numbers().get("brk"):
                value, error = self._end_of_heap(), 0
            try:
                fcntl.ioctl(self.listener, NOTIF_SEND, struct.pack("=QqiI", identity, value, -error, flags))
            except OSError as failure:
                if failure.errno not in (errno.ENOENT, errno.EINPROGRESS):
                    raise

    def _decide(self, identity, thread, number, arguments):
        """The error to return; 0 to let the call continue."""
        name = syscall_names().get(number, str(number))
        if not self.in_main:
            # main first checks its standard fds; earlier calls are the loader's.
            self.in_main = name == "fcntl" and arguments[:2] == (0, F_GETFD) and self._is_program()
            if not self.in_main:
                return 0
        try:
            role = self._role(thread)
            if role is None:
                return 0
            site = self.site(name, thread, arguments) + role
        except OSError:
            return 0  # it is being killed
        with self.lock:
            self.counts[site] += 1
            fault = self.fault
            if fault is None or fault.fired or fault.site != site or self.counts[site] != fault.position:
                return 0
            fault.fired = True
        if name == "close" and thread in (self.pid, *self.threads):
            self._really_close(identity, arguments[0])
        return fault.error

    def _is_program(self, process=None):
        return os.readlink(f"/proc/{process or self.pid}/exe") == os.path.realpath(os.environ["NSWARDEN_BINARY"])

    def _role(self, thread):
        """The caller; None for an unrelated program, such as the shell of a command."""
        if thread == self.pid:
            return ""
        if thread not in self.threads and os.path.exists(f"/proc/{self.pid}/task/{thread}"):
            self.threads.add(thread)
        if thread in self.threads:
            return " (http)"
        if thread in self.servers:
            return " (server)"
        if not self._is_program(thread):
            return None
        generation, process = 0, thread
        while process != self.pid and generation < 3:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                process = int(file.read().rpartition(")")[2].split()[1])
            generation += 1
        if generation == 1:
            self.servers.add(thread)
        return (" (server)", " (supervisor)", " (command)")[generation - 1]

    def _really_close(self, identity, number):
        """close(2) closes even if it fails. Its file is replaced by a placeholder, which marks the number as not counted."""
        fcntl.ioctl(self.listener, NOTIF_ADDFD, struct.pack("=QIIII", identity, ADDFD_FLAG_SETFD, self.marker, number, 0))

    def _end_of_heap(self):
        """brk(2) returns no errors: it returns the current break, which then differs from the requested one."""
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as file:
            heap = next((line for line in file if "[heap]" in line), "0-0 ")
        return int(heap.split()[0].split("-")[1], 16)

    def site(self, name, thread, arguments):
        """Without the caller."""
        process = self.pid if thread in self.threads else thread
        about = ""
        if name in BY_PATH:
            about = self._path(process, arguments, BY_PATH[name])
        elif name == "close" and thread in self.servers:
            about = "N"  # perhaps every possible one
        elif name in BY_FD:
            about = self._file(process, arguments[BY_FD[name]])
            if name == "ioctl":
                about = IOCTLS.get(arguments[1] & 0xFFFFFFFF, hex(arguments[1]))
            elif name == "setns":
                about = "home" if os.readlink(f"/proc/{self.pid}/task/{thread}/ns/net") != self.home else "there"
            elif name == "fcntl":
                about = {F_GETFD: "F_GETFD ", F_SETFD: "F_SETFD "}.get(arguments[1], f"{arguments[1]} ") + about
        elif name == "futex":
            about = "wait" if arguments[1] & 0x7F in FUTEX_WAITS else "wake"
        elif name == "prlimit64":
            about = "set" if arguments[2] else "get"
        return f"{name} {about}".strip()

    @staticmethod
    def _file(process, number):
        number = ctypes.c_int(number & 0xFFFFFFFF).value
        if number < 0:
            return "-1"
        try:
            return place_name(os.readlink(f"/proc/{process}/fd/{number}"))
        except FileNotFoundError:
            return "closed"

    def _path(self, process, arguments, index):
        path = self._text(process, arguments[index])
        if path.startswith("/"):
            return place_name(path)
        base = ctypes.c_int(arguments[index - 1] & 0xFFFFFFFF).value if index else AT_FDCWD
        if base == AT_FDCWD:
            return place_name(path)
        return self._file(process, base) if not path else place_name(os.readlink(f"/proc/{process}/fd/{base}") + "/" + path)

    @staticmethod
    def _text(process, address):
        fd = os.open(f"/proc/{process}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            here = 4096 - address % 4096
            text = os.pread(fd, min(here, 512), address)
            if b"\0" not in text and here < 512:
                text += os.pread(fd, 512 - here, address + here)
        finally:
            os.close(fd)
        return text.split(b"\0")[0].decode("latin1")
