# SPDX-License-Identifier: Apache-2.0
"""Mounts and netns by system calls: creates, enters and removes netns of any name, and reads and writes their sysctls.
Standard library only."""

import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MNT_DETACH = 2
NETNS_DIR = "/run/netns"

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Calls a libc function that returns -1 on error. Paths are bytes."""
    result = getattr(libc, name)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")
    return result


def mount(source, target, kind, flags=0, data=None):
    call("mount", os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), data)


def umount(target):
    call("umount2", os.fsencode(target), MNT_DETACH)


def in_thread(function):
    """Runs function in a temporary thread, so that namespaces it enters do not affect other threads."""
    box = {}

    def run():
        try:
            box["result"] = function()
        except BaseException as error:  # reraised in the caller
            box["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box.get("result")


def path_of(name, directory=NETNS_DIR):
    return os.path.join(os.fsencode(directory), os.fsencode(name))


def add_netns(name, directory=NETNS_DIR, prepare=lambda: None):
    """Like `ip netns add`: creates an empty file, then mounts a netns on it. Faster, and takes any bytes. Undoes presets.
    prepare() runs in the netns before its name is mounted."""
    os.makedirs(directory, exist_ok=True)
    place_file(name, directory)
    mount_netns(name, directory, prepare)


def place_file(name, directory=NETNS_DIR):
    os.close(os.open(path_of(name, directory), os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))


def mount_netns(name, directory=NETNS_DIR, prepare=lambda: None):
    def make():
        call("unshare", CLONE_NEWNET)
        undo_presets()
        prepare()
        mount("/proc/thread-self/ns/net", path_of(name, directory), b"none", MS_BIND)

    in_thread(make)


def undo_presets():
    """Sets the sysctls that tests expect to be 0 to 0. A netns inherits those that the host presets, such as ip_forward = 1 or
    rp_filter = 2."""
    for key in ("ip_forward", "conf.all.rp_filter", "conf.default.rp_filter", "conf.lo.rp_filter"):
        if read_here(f"net.ipv4.{key}") != "0":
            write_here(f"net.ipv4.{key}", 0)


def delete_netns(name, directory=NETNS_DIR):
    umount(path_of(name, directory))
    os.unlink(path_of(name, directory))


def inside(name, function, directory=NETNS_DIR):
    """Runs function in the netns and keeps no reference to it."""

    def run():
        fd = os.open(path_of(name, directory), os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", fd, CLONE_NEWNET)
        finally:
            os.close(fd)
        return function()

    return in_thread(run)


def key_path(key):
    return "/proc/sys/" + key.replace(".", "/")


def read_here(key):
    with open(key_path(key), encoding="ascii") as file:
        return " ".join(file.read().split())


def write_here(key, value):
    with open(key_path(key), "w", encoding="ascii") as file:
        file.write(str(value))


def write_at(procfs, key, value):
    """Like write_here(), through another procfs mount."""
    with open(os.path.join(procfs, "sys", *key.split(".")), "w", encoding="ascii") as file:
        file.write(str(value))


def get(name, key, directory=NETNS_DIR):
    return inside(name, lambda: read_here(key), directory)


def put(name, key, value, directory=NETNS_DIR):
    inside(name, lambda: write_here(key, value), directory)


def run_inside(name, *command):
    """Runs a command in the netns. Only for names that a command line can carry."""
    subprocess.run(["ip", "netns", "exec", name, *command], check=True, stdout=subprocess.DEVNULL)
