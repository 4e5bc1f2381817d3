# SPDX-License-Identifier: Apache-2.0
"""docs/log-messages.md: the messages that it lists, and whether a line of the log is one of them."""

import collections
import functools
import os
import re

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/log-messages.md")
LEVELS = ("debug", "info", "warn", "error")
WRITER = ("writer", "writer_pid", "writer_exe", "writer_uid", "writer_unit", "writer_container", "writer_cgroup")
EVERYWHERE = {"ts", "level", "msg", "left_out"}
Listed = collections.namedtuple("Listed", "levels fields")


@functools.cache
def read():
    """{message: Listed(levels, fields)}"""
    with open(PAGE, encoding="utf-8") as page:
        rows = [line.strip().strip("|").split("|") for line in page if re.match(r"\| `.*\|.*\b(debug|info|warn|error)\b.*\|.*\|", line)]
    listed = {}
    for message, levels, fields, meaning in rows:
        message = message.strip().strip("`")
        if message in listed or not meaning.strip():
            raise AssertionError(f"{PAGE}: {message}: twice, or without a meaning")
        names = tuple(re.findall(r"`(\w+)`", fields)) + (WRITER if "writer fields" in fields else ())
        listed[message] = Listed([level for level in LEVELS if level in levels], names)
    return listed


def problem(line):
    """How a line of the JSON log differs from the page; None if it does not."""
    listed = read().get(line.get("msg"))
    if listed is None:
        return f"not in the page: {line}"
    if line.get("level") not in listed.levels:
        return f"not at this level: {line}"
    other = set(line) - EVERYWHERE - set(listed.fields)
    return f"fields {sorted(other)} are not in the page: {line}" if other else None
