#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plot.py DIRECTORY FILE.json...: plots the results of nswarden_latency and nswarden_bench for docs/performance.md.

Writes each picture whose figures are in one of the files to DIRECTORY. Uses only the standard library. Pictures are transparent
with colours of medium lightness, readable on white and on black.
"""

import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 132, 28, 44
TEXT = "#888888"
GRID = "#88888844"
COLOURS = ["#3b82f6", "#e0701a", "#16a36a", "#b455d6", "#d9465f", "#8a8f1c"]


def shown(value):
    """Microseconds in a readable unit."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g} us"


class Log:
    """A logarithmic scale."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)

    def place(self, value):
        return (math.log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)

    def ticks(self):
        return [10**power for power in range(self.low, self.high + 1)]


class Nines:
    """A scale of shares on which 90 %, 99 % and 99.9 % are equidistant."""

    high = 4

    def place(self, share):
        return min(-math.log10(max(1 - share, 1e-12)), self.high) / self.high

    def ticks(self):
        return [0, 0.5, 0.9, 0.99, 0.999, 0.9999]


class Picture:
    def __init__(self, title, x, y, x_text, y_text, x_label):
        self.x, self.y = x, y
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<text x="{LEFT}" y="16" font-size="13" fill="{TEXT}">{escape(title)}</text>',
        ]
        self.labels = []
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for tick in x.ticks():
            at = self.across(tick)
            self.parts.append(f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="{GRID}"/>')
            self.text(at, bottom + 16, x_text(tick), "middle", TEXT)
        for tick in y.ticks():
            at = self.down(tick)
            self.parts.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="{GRID}"/>')
            self.text(LEFT - 6, at + 4, y_text(tick), "end", TEXT)
        self.text((LEFT + right) / 2, HEIGHT - 8, x_label, "middle", TEXT)

    def across(self, value):
        return LEFT + self.x.place(value) * (WIDTH - RIGHT - LEFT)

    def down(self, value):
        return HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP)

    def text(self, x, y, text, anchor, colour):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>')

    def line(self, name, points, colour, dots=False, dashed=False):
        places = [(self.across(x), self.down(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if dots:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        self.labels.append([places[-1][1], name, colour])

    def write(self, path):
        # Labels are at the ends of their lines, moved apart to avoid overlap.
        lowest = TOP
        for label in sorted(self.labels, key=lambda each: round(each[0])):
            label[0] = max(label[0], lowest)
            lowest = label[0] + 14
            self.text(WIDTH - RIGHT + 8, label[0] + 4, label[1], "start", label[2])
        path.write_text("\n".join(self.parts + ["</svg>", ""]), encoding="ascii")
        print(path)


def percent(share):
    return f"{share * 100:g} %"


def draw_latency(figures, path):
    """Share of repaired drifts over time."""
    runs = figures["repair"]
    curves = []
    for run in runs:
        idle = run["load"] == "idle"
        for colour, who, name in ((COLOURS[1], "bare", "bare loop"), (COLOURS[0], "ours", "nswarden")):
            if who in run:
                curves.append((name if idle else name + ", busy", run[who]["curve"], colour, not idle))
    for peer, colour in zip(figures.get("peers", []), COLOURS[2:]):
        curves.append((peer["name"], peer["curve"], colour, False))
    times = [time for _, curve, _, _ in curves for _, time in curve]
    picture = Picture(f"Drifts that were right again, {runs[0]['netns']} netns, {runs[0]['settings']} settings",
                      Log(times), Nines(), shown, percent, "after")
    for name, curve, colour, dashed in curves:
        picture.line(name, [(time, share) for share, time in curve], colour=colour, dashed=dashed)
    picture.write(path)


def draw_growth(figures, path):
    """Latency over the number of netns."""
    runs = [run for run in figures["growth"] if "ours" in run]
    times = [run[who][what] for run in runs for who in ("ours", "bare") for what in ("p50", "p99")]
    picture = Picture("Life of a drift by number of netns, 5 settings each", Log([run["netns"] for run in runs]), Log(times),
                      lambda netns: f"{netns:g}", shown, "netns")
    for number, (who, name) in enumerate((("ours", "nswarden"), ("bare", "bare loop"))):
        for what in ("p99", "p50"):
            picture.line(f"{name} {what}", [(run["netns"], run[who][what]) for run in runs], dots=True, dashed=what == "p99",
                         colour=COLOURS[number])
    picture.write(path)


def draw_passes(figures, path, which, title):
    """Cost of a pass over all netns."""
    rows = figures["passes"]
    picture = Picture(title, Log([row["netns"] for row in rows]), Log([row[which][who] for row in rows for who in row[which]]),
                      lambda netns: f"{netns:g}", shown, "netns")
    for number, keys in enumerate(sorted({row["keys"] for row in rows})):
        mine = [row for row in rows if row["keys"] == keys]
        for who, name in (("ours", "nswarden"), ("floor", "bare loop")):
            picture.line(f"{name}, {keys} keys", [(row["netns"], row[which][who]) for row in mine], dots=True,
                         dashed=who == "floor", colour=COLOURS[number])
    picture.write(path)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.splitlines()[0])
    directory = pathlib.Path(sys.argv[1])
    figures = {}
    for file in sys.argv[2:]:
        figures.update(json.loads(pathlib.Path(file).read_text(encoding="utf-8")))
    if "repair" in figures:
        draw_latency(figures, directory / "latency.svg")
    if "growth" in figures:
        draw_growth(figures, directory / "growth.svg")
    if "passes" in figures:
        draw_passes(figures, directory / "sweep.svg", "sweep", "Time of a sweep that finds all right")
        draw_passes(figures, directory / "first.svg", "first", "Time of the first pass, which enters each netns and opens its files")


if __name__ == "__main__":
    main()
