# SPDX-License-Identifier: Apache-2.0
"""The binary's own help: its commands and flags, parsed from the --help format of CLI11 2.1.2 (Debian 12) and 2.4.1 (Debian
13)."""

import dataclasses
import functools
import os
import re
import subprocess

BINARY = os.environ.get("NSWARDEN_BINARY", "")
ITEM = re.compile(r" {2,6}(?:-\w, *)?(?:--(?P<flag>[a-z][\w.-]*)|(?P<command>[a-z]+)(?= {2}))(?P<rest>.*)")
DEFAULTS = (
    re.compile(r"(?:=|(?<!in) \[)\[?([^\]\s]+)"),  # =VALUE and [VALUE], after the name of the value
    re.compile(r"\bdefault ([^\s,;]+)"),
    re.compile(r"(\w+) \(default\)"),
)


@dataclasses.dataclass(frozen=True)
class Flag:
    value: str = ""  # the name of its value, such as FILE; empty if it takes none
    default: str = ""  # its first word; empty if not listed


def run(*arguments, code=0):
    """Its output. The environment must not affect it."""
    done = subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          encoding="utf-8", timeout=30, env={"LC_ALL": "C.UTF-8"})
    if done.returncode != code:
        raise AssertionError(f"{arguments} ends with {done.returncode}: {done.stderr}")
    return done.stdout + done.stderr


def paragraphs(text):
    """Each item as one line, including its continuation lines."""
    items = []
    for line in text.splitlines():
        if ITEM.match(line):
            items.append(line)
        elif line.startswith(" " * 8) and items:
            items[-1] += "  " + line.strip()
    return items


def parse_flag(rest):
    value = re.match(r" ([A-Z]+)(?![a-z])", rest)
    if not value:
        return Flag()
    rest = rest[value.end():]
    columns, _, description = rest.partition("  ")
    places = ((DEFAULTS[0], columns), *((pattern, description or columns) for pattern in DEFAULTS[1:]))
    found = (pattern.search(text) for pattern, text in places)
    return Flag(value[1], next((one[1] for one in found if one), ""))


def parse_help(text):
    """Its flags by name, and its commands."""
    flags, commands = {}, []
    for item in paragraphs(text):
        match = ITEM.match(item)
        if match["flag"]:
            flags[match["flag"]] = parse_flag(match["rest"])
        else:
            commands.append(match["command"])
    return flags, commands


def operands(usage):
    """`NETNS [KEY]` of a usage line."""
    return re.sub(r" (?=\.\.\.)", "", re.sub(r"^(?:nswarden|[a-z]+|\[OPTIONS\]| )+", "", usage.strip())).replace("SUBCOMMAND", "")


@dataclasses.dataclass
class Command:
    flags: dict
    commands: list
    operands: str


def ask(name=""):
    """The commands by name, from `name` down; the program itself has an empty name."""
    text = run(*name.split(), "--help")
    flags, below = parse_help(text)
    usage = re.search(r"^Usage:? (.*)$", text, re.MULTILINE)[1]
    found = {name: Command(flags, below, operands(usage))}
    for command in below:
        found.update(ask(f"{name} {command}".strip()))
    return found


@functools.lru_cache(maxsize=None)
def choices(command, flag):
    """The values that a flag takes, from the error message for an invalid one."""
    match = re.search(r"expected one of ([\w, ]+)", run(*command.split(), f"--{flag}=nonsense", code=2))
    return set(match[1].split(", ")) if match else set()
