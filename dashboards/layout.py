# SPDX-License-Identifier: Apache-2.0
"""The layout of a dashboard as SVG: each panel at its position, with title, a sketch of its type, unit and first legends.

The background is transparent and the colours have medium lightness, so that it is readable on white and on black. Standard
library only.
"""

from xml.sax.saxutils import escape

COLUMN, UNIT, MARGIN, HEAD = 50, 17, 6, 34  # pixels: column width, unit of height, outer margin, title height
TEXT, FAINT = "#888888", "#8888884d"
COLOURS = {"stat": "#16a36a", "timeseries": "#3b82f6", "table": "#8a8f1c", "heatmap": "#e0701a", "bargauge": "#b455d6",
           "state-timeline": "#d9465f"}
UNITS = {"short": "number", "none": "", "s": "seconds", "percentunit": "percent", "cpm": "per minute", "cps": "per second", "bytes": "bytes",
         "dateTimeFromNow": "time ago"}


def picture(board):
    panels = board["panels"]
    width = 24 * COLUMN + 2 * MARGIN
    height = HEAD + UNIT * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
             f'<title>{escape(board["title"])}</title>', text(MARGIN, 22, board["title"], 16, bold=True),
             text(width - MARGIN, 22, " ".join(f"[{variable['label']}]" for variable in board["templating"]["list"]), 12, anchor="end")]
    for panel in panels:
        parts += drawn_row(panel) if panel["type"] == "row" else drawn(panel)
    return "\n".join([*parts, "</svg>"]) + "\n"


def text(x, y, content, size=11, bold=False, anchor="start", colour=TEXT):
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(content)}</text>'


def place(panel):
    grid = panel["gridPos"]
    return MARGIN + grid["x"] * COLUMN, HEAD + grid["y"] * UNIT, grid["w"] * COLUMN, grid["h"] * UNIT


def drawn_row(panel):
    x, y, width, height = place(panel)
    return [text(x, y + height - 4, "v " + panel["title"], 12, bold=True), f'<path d="M{x} {y + height}h{width}" stroke="{FAINT}"/>']


def drawn(panel):
    x, y, width, height = place(panel)
    colour = COLOURS[panel["type"]]
    room = width - 4
    parts = [f'<rect x="{x + 2}" y="{y + 2}" width="{room}" height="{height - 4}" rx="3" fill="none" stroke="{colour}"/>']
    lines = wrapped(panel["title"], room - 12, 6.7)
    parts += [text(x + 8, y + 17 + 13 * index, line, 12, bold=True) for index, line in enumerate(lines)]
    below = y + 17 + 13 * len(lines)
    unit = UNITS[panel["fieldConfig"]["defaults"]["unit"]]
    parts += [text(x + 8, below + 12 * index, line, 10, colour=colour)
              for index, line in enumerate(wrapped(panel["type"] + (f", {unit}" if unit else ""), room - 12, 5.4))]
    columns = [name for name in told(panel) if name]
    if height >= 7 * UNIT:
        parts += [text(x + 8, below + 16 + 13 * index, line, 10) for index, line in enumerate(wrapped(", ".join(columns), room - 12, 5.4)[:2])]
        parts += SKETCHES[panel["type"]](x + 10, below + 46, room - 20, y + height - 10 - (below + 46), colour)
    return parts


def told(panel):
    """The names of a panel's columns or series."""
    if panel["type"] == "heatmap":
        return ["a row for each bucket"]
    if panel["type"] == "table":
        order = panel["transformations"][-1]["options"]
        return [order["renameByName"].get(name, name) for name in sorted(order["indexByName"], key=order["indexByName"].get)]
    return [target["legendFormat"].replace("{{", "").replace("}}", "") for target in panel["targets"] if target["legendFormat"] != "__auto"]


def wrapped(content, room, per_letter):
    lines = [""]
    for word in content.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(longer) * per_letter > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# Sketches of the panel types.

def curves(x, y, width, height, colour):
    def curve(level, swing):
        points = [(x + width * step / 12, y + height * (1 - level - swing * ((step * step * 7) % 5 - 2) / 8)) for step in range(13)]
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in points)

    axes = f'<path d="M{x} {y}v{height}h{width}" fill="none" stroke="{FAINT}"/>'
    return [axes, *(f'<polyline points="{curve(level, swing)}" fill="none" stroke="{colour}" opacity="{opacity}"/>'
                    for level, swing, opacity in ((0.62, 0.5, 0.9), (0.3, 0.35, 0.45)))]


def lines_of_cells(x, y, width, height, colour):
    count = max(int(height // 16), 1)
    return [f'<rect x="{x}" y="{y + 16 * line:g}" width="{width}" height="13" fill="{colour}" opacity="{0.3 if line == 0 else 0.1}"/>'
            for line in range(count)]


def cells(x, y, width, height, colour):
    across, down = max(int(width // 14), 1), max(int(height // 11), 1)
    return [f'<rect x="{x + 14 * column}" y="{y + 11 * line:g}" width="13" height="10" fill="{colour}"'
            f' opacity="{((column * 7 + line * line * 5) % 9) * 0.07 + 0.05:.2f}"/>' for column in range(across) for line in range(down)]


def horizontal_bars(x, y, width, height, colour):
    return [f'<rect x="{x}" y="{y + 16 * line:g}" width="{width * share:.1f}" height="12" fill="{colour}" opacity="0.35"/>'
            for line, share in enumerate((0.9, 0.55, 0.3, 0.12)) if 16 * line + 12 <= height]


def bands(x, y, width, height, colour):
    return [f'<rect x="{x + width * start:.1f}" y="{y + 18 * line:g}" width="{width * (end - start):.1f}" height="14" fill="{colour}"'
            f' opacity="{opacity}"/>' for line in range(4) if 18 * line + 14 <= height
            for start, end, opacity in ((0, 0.25 + 0.15 * line, 0.2), (0.25 + 0.15 * line, 1, 0.45))]


SKETCHES = {"stat": lambda *_: [], "timeseries": curves, "table": lines_of_cells, "heatmap": cells, "bargauge": horizontal_bars,
            "state-timeline": bands}
