#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: older_daemon.py --config FILE

A stand-in for the daemon that nswarden replaces: reads its configuration and runs its commands for existing netns, then for
inotify events, one after the other by a shell with $NETNS. It does not check settings afterwards.
"""

import argparse
import ctypes
import os
import re
import struct
import subprocess
import sys

import yaml

NETNS_DIR = b"/run/netns"
EVENTS = {"IN_CREATE": 0x100, "IN_DELETE": 0x200}
HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name


def run(commands, name):
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, check=False, env={**os.environb, b"NETNS": name})
        print("ran", done.returncode, command, os.fsdecode(name), flush=True)


def events(fd):
    """Endless pairs of a mask and a name."""
    while True:
        buffer = os.read(fd, 65536)
        while buffer:
            _, mask, _, length = HEAD.unpack_from(buffer)
            yield mask, buffer[HEAD.size:HEAD.size + length].rstrip(b"\0")
            buffer = buffer[HEAD.size + length:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    with open(parser.parse_args().config, encoding="utf-8") as file:
        rules = yaml.safe_load(file)

    def rules_for(name):
        return [rule for rule in rules if re.match(rule["netns_regex"], os.fsdecode(name))]

    os.makedirs(NETNS_DIR, exist_ok=True)
    for name in sorted(os.listdir(NETNS_DIR)):
        for rule in rules_for(name):
            run(rule["daemon_startup_actions"], name)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC)
    if fd < 0 or libc.inotify_add_watch(fd, NETNS_DIR, EVENTS["IN_CREATE"] | EVENTS["IN_DELETE"]) < 0:
        sys.exit(f"inotify: {os.strerror(ctypes.get_errno())}")
    print("watching", flush=True)
    for mask, name in events(fd):
        for rule in rules_for(name):
            for actions in rule["inotify_actions"]:
                for event, commands in actions.items():
                    if mask & EVENTS[event]:
                        run(commands, name)


if __name__ == "__main__":
    main()
