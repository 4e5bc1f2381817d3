# SPDX-License-Identifier: Apache-2.0
"""The errors that a system call can return, by site (see syscall_faults.py): from the man pages, and for sysctls from the
kernel's handlers. Errors that only a bug of the program can cause (EBADF, EFAULT, EINVAL of a wrong flag) are excluded: a
fault comes from the host. A call that this table does not list fails the test."""

import errno
import re

# The first pattern that matches a site, without its thread, counts.
TABLE = [(re.compile(pattern), tuple(getattr(errno, name) for name in names.split())) for pattern, names in (
    # Sysctls: handlers interrupted while waiting for RTNL, refused by a BPF program, out of memory, dying netns.
    (r"pread64 sysctl", "EINTR EIO ENOENT EPERM EACCES ENOMEM EAGAIN EINVAL"),
    (r"pwrite64 sysctl", "EINTR EIO ENOENT EPERM EACCES ENOMEM EAGAIN EINVAL EROFS ENOSPC EBUSY ENOBUFS"),
    (r"openat2 ", "EINTR EIO ENOENT EPERM EACCES ENOMEM EMFILE ENFILE EAGAIN ENOSYS EXDEV ELOOP EROFS"),
    # Events.
    (r"read (signalfd|eventfd)", "EINTR EAGAIN ENOMEM"),
    (r"read inotify", "EINTR EAGAIN ENOMEM EIO"),
    (r"read fanotify", "EINTR EAGAIN ENOMEM EMFILE ENFILE EACCES EPERM ENOENT ESRCH ENXIO EIO"),
    (r"fanotify_init", "EMFILE ENFILE ENOMEM EPERM ENOSYS EINVAL"),
    (r"fanotify_mark", "EPERM ENOSPC ENOMEM ENODEV EOPNOTSUPP EINVAL ENOENT EXDEV"),
    (r"pidfd_send_signal", "ESRCH EPERM ENOSYS"),
    (r"ioctl FIONREAD", "EINTR EIO ENOMEM"),
    (r"epoll_pwait2|epoll_wait", "EINTR EPERM ENOSYS ENOMEM"),
    (r"epoll_ctl", "ENOMEM ENOSPC EPERM"),
    (r"epoll_create1|inotify_init1|eventfd2|signalfd4", "EMFILE ENFILE ENOMEM ENODEV"),
    (r"inotify_add_watch", "ENOENT EACCES ENOMEM ENOSPC EINTR EIO ENOTDIR"),
    (r"inotify_rm_watch", "EINVAL"),
    # Namespaces.
    (r"setns", "EPERM ENOMEM EINTR EINVAL EUSERS ENOSPC"),
    (r"ioctl NS_GET_NSTYPE", "ENOTTY EINTR EPERM"),
    (r"ioctl NS_GET_ID", "ENOTTY EINTR EPERM ENOSYS"),
    # Files.
    (r"(open|openat) ", "EINTR EIO ENOENT EPERM EACCES ENOMEM EMFILE ENFILE ENOSPC ELOOP ENOTDIR ESTALE"),
    (r"(stat|fstat|newfstatat|statx|access|faccessat2|readlink|readlinkat|statfs) ", "EINTR EIO ENOENT EACCES ENOMEM ESTALE"),
    (r"fstatfs", "EINTR EIO ENOMEM ENOSYS ESTALE"),
    (r"mkdir ", "EEXIST EACCES EIO ENOENT ENOMEM ENOSPC EPERM EROFS"),
    (r"read ", "EINTR EIO ENOMEM EISDIR ESTALE"),
    (r"getdents64 ", "EINTR EIO ENOENT ENOMEM ESTALE"),
    (r"close ", "EINTR EIO ENOSPC"),
    (r"write eventfd", "EINTR"),  # EAGAIN only if it was not read for 2^64 - 2 events
    (r"(write|writev) ", "EINTR EIO EAGAIN EPIPE ENOSPC ENOMEM EPERM"),
    (r"lseek ", "ESPIPE"),
    (r"fcntl F_GETFD /dev/null|fcntl F_GETFD pipe", ""),  # only EBADF is possible, for which the call is made
    (r"fcntl 0 ", "EMFILE ENOMEM"),
    (r"fcntl 6 ", "EAGAIN EINTR ENOLCK ENOMEM EOPNOTSUPP"),  # F_SETLK
    (r"fcntl ", "EINTR EAGAIN"),
    (r"ioctl ", "ENOTTY EIO EINTR"),
    (r"poll", "EINTR ENOMEM"),
    # Sockets.
    (r"socket( |$)", "EMFILE ENFILE ENOMEM EACCES ENOBUFS EAFNOSUPPORT"),
    (r"bind ", "EACCES EADDRINUSE EADDRNOTAVAIL ENOMEM"),
    (r"listen ", "EADDRINUSE EOPNOTSUPP"),
    (r"connect ", "EINTR ECONNREFUSED EACCES ENOENT EAGAIN ENETUNREACH"),
    (r"accept4? ", "EINTR EAGAIN ECONNABORTED EMFILE ENFILE ENOMEM ENOBUFS EPERM EPROTO"),
    (r"(recvfrom|recvmsg) ", "EINTR EAGAIN ECONNRESET ENOMEM ETIMEDOUT"),
    (r"(sendto|sendmsg) ", "EINTR EAGAIN ECONNRESET EPIPE ENOMEM ENOBUFS"),
    (r"(getsockopt|setsockopt) ", "ENOMEM ENOBUFS ENOPROTOOPT EINTR"),
    (r"getsockname ", "ENOBUFS ENOTSOCK"),
    (r"getpeername", "ENOBUFS ENOTCONN"),
    (r"shutdown ", "ENOTCONN"),
    (r"socketpair", "EMFILE ENFILE ENOMEM EAFNOSUPPORT"),
    # Memory, threads and processes.
    (r"mmap|brk|mprotect|mremap|madvise", "ENOMEM EAGAIN"),
    (r"munmap", "ENOMEM"),
    (r"(clone3?|fork)$", "EAGAIN ENOMEM EPERM"),
    (r"pipe2", "EMFILE ENFILE ENOMEM"),
    (r"dup[23]? ", "EINTR EBUSY EMFILE ENOMEM"),
    (r"chdir", "EACCES EIO ENOENT ENOMEM"),
    (r"setsid", "EPERM"),
    (r"close_range", "ENOMEM EMFILE ENOSYS"),
    (r"waitid", ""),  # cannot fail with WNOHANG for a child that no other thread reaps
    (r"ppoll", "EINTR ENOMEM"),
    (r"setpriority", "EACCES EPERM"),
    (r"sched_[gs]etattr", "EINVAL EPERM ENOSYS E2BIG"),
    (r"futex wait", "EINTR EAGAIN"),
    (r"futex wake", ""),
    (r"clock_nanosleep|nanosleep", "EINTR"),
    (r"prlimit64 set", "EPERM"),
    (r"prlimit64 get", ""),  # cannot fail for an existing resource
    (r"getrandom", "EINTR EAGAIN ENOSYS"),
    (r"prctl", "EPERM EINVAL"),
    (r"capset|capget", "EPERM"),
    (r"sysinfo|sched_getaffinity", "EPERM"),
    (r"kill|tgkill|setpgid", "EPERM ESRCH"),
)]


def errnos_of(site):
    """None for a call that is not in the table."""
    bare = re.sub(r" \(\w+\)$", "", site)
    return next((errors for pattern, errors in TABLE if pattern.match(bare)), None)
