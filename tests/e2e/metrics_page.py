# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md and docs/metrics-daemon.md, as one table of all metrics. The parser is strict, so that a section of
another form is an error. Also the text format by families, for the comparison."""

import os
import re

import harness

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
PAGES = ("metrics.md", "metrics-daemon.md")
SECTION = re.compile(r"(Counter|Gauge|Histogram), (stable|experimental)\. Labels: (.+)\.\n\n(.+?)\n\n```promql\n(.+)\n```\n", re.DOTALL)
LABEL = re.compile(r"`([a-z]+)`(?:\s\(((?:`\w+`(?:,\s)?)+)\))?(?:,\s|$)")
CLOSED = re.compile(r"`(\w+)`")


class Documented:
    """A section: `labels` is {name: values, or None if arbitrary}."""

    def __init__(self, name, text):
        match = SECTION.fullmatch(text)
        if not match:
            raise AssertionError(f"the section of {name} is not like the others:\n{text}")
        self.name, self.kind, self.stability, self.meaning, self.query = name, match[1].lower(), match[2], match[4], match[5]
        self.labels = {} if match[3] == "none" else self._labels(match[3])

    def _labels(self, text):
        labels, position = {}, 0
        while position < len(text):
            label = LABEL.match(text, position)
            if not label or label[1] in labels:
                raise AssertionError(f"{self.name}: no label: {text[position:]!r}")
            labels[label[1]] = CLOSED.findall(label[2]) if label[2] else None
            position = label.end()
        return labels


def read():
    """Both pages, concatenated."""
    text = ""
    for page in PAGES:
        with open(os.path.join(DOCS, page), encoding="utf-8") as file:
            text += file.read()
    return text


def sections():
    """{name: Documented}. Sections of metrics have a third-level title in code."""
    found = {}
    for part in re.split(r"^### (?=`)", read(), flags=re.MULTILINE)[1:]:
        title, text = part.split("\n\n", 1)
        name = title.strip("`")
        if name in found:
            raise AssertionError(f"{name} has two sections")
        found[name] = Documented(name, re.split(r"^##? ", text, flags=re.MULTILINE)[0].rstrip("\n") + "\n")
    return found


def table(header):
    """Rows of the table with this header, each a list of cells."""
    lines = iter(read().split("\n"))
    for line in lines:
        if line == header:
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


class Family:
    def __init__(self, kind, text):
        self.kind, self.help, self.series = kind, text, []  # series: {label: value} each


def families(text):
    """{name: Family} of a scrape. Series of a histogram have no `le`."""
    found = {}
    for name, help_text in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        found[name] = Family(None, help_text)
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found[name].kind = kind
    for name, series in harness.parse_metrics(text).items():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = found[base if base in found and found[base].kind == "histogram" else name]
        for key in series:
            labels = dict(key)
            if family.kind == "histogram":
                labels.pop("le", None)
            family.series.append(labels)
    return found
