# SPDX-License-Identifier: Apache-2.0
"""Reads man pages in mdoc(7) and tables of docs/ for the tests that compare them with the binary."""

import dataclasses
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = "packaging/man/nswarden.1"
MAN_YAML = "packaging/man/nswarden.yaml.5"
# The pages with tables of flags and fields.
REFERENCE = ["docs/configuration.md", "docs/policies.md", "docs/status.md"]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def read_reference():
    """The reference pages as one document."""
    return "\n".join(map(read, REFERENCE))


@dataclasses.dataclass
class Item:
    head: str
    body: list

    @property
    def default(self):
        told = [line.removeprefix("Default: ") for line in self.body if line.startswith("Default: ")]
        return told[0].removesuffix(".") if told else ""


@dataclasses.dataclass
class Section:
    lines: list
    items: list


def items_of(lines):
    """Items without text share that of the next one."""
    items, heads, body = [], [], None
    for line in [*lines, ".El"]:
        if not line.startswith((".It ", ".El")):
            if body is not None:
                body.append(line)
            continue
        if body or line.startswith(".El"):
            items += [Item(head, body) for head in heads]
            heads = []
        if line.startswith(".It "):
            heads.append(line[4:])
        body = [] if heads else None
    return items


def sections(page):
    """The sections and subsections of a man page, by title, without the escapes that only typesetting needs."""
    parts = re.split(r"^\.S[hs] (.*)\n", page.replace("\\-", "-").replace("\\&", ""), flags=re.MULTILINE)[1:]
    return {title: Section(text.splitlines(), items_of(text.splitlines())) for title, text in zip(parts[::2], parts[1::2])}


def examples(page):
    """The contents of literal displays."""
    return [text.replace("\\-", "-") for text in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.MULTILINE | re.DOTALL)]


def rows(document, heading):
    """The cells of each row of the first table below a heading."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", document, re.MULTILINE | re.DOTALL)
    table = []
    for line in match[1].splitlines():
        if line.startswith("|"):
            table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif table:
            break
    return table[2:]
