# SPDX-License-Identifier: Apache-2.0
"""Building blocks of dashboards: queries, panels, and a board that lays panels out. Plain dicts in the JSON model of Grafana 9
to 11.

Metrics are known only to node.py and fleet.py. Standard library only.
"""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24  # in Grafana's grid

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


# Queries.

def query(expr, legend="", instant=False, table=False, heatmap=False):
    """A query of a panel. The panel assigns its refId."""
    if heatmap:
        legend = "{{le}}"
    return {"datasource": DATASOURCE, "expr": " ".join(expr.split()), "legendFormat": legend or "__auto",
            "instant": instant or table, "range": not (instant or table), "editorMode": "code",
            "format": "table" if table else "heatmap" if heatmap else "time_series"}


def now(expr, legend=""):
    return query(expr, legend, instant=True)


def column(name, expr):
    """A query of a table; `name` is the header of its value column, None to omit the column."""
    return {"column": name, **query(expr, table=True)}


# Colours, words and links of a field.

def steps(*pairs):
    """Thresholds as (from, colour), with None as the first `from`."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in pairs]}


NONE_IS_GOOD = steps((None, GREEN), (1, RED))
NO_MEANING = steps((None, BLUE))


def words(texts):
    """Value mappings: {value: (text, colour)}."""
    options = {str(value): {"text": text, "color": colour, "index": index} for index, (value, (text, colour)) in enumerate(texts.items())}
    return [{"type": "value", "options": options}]


def link(title, url, new_tab=False):
    return {"title": title, "url": url, "targetBlank": new_tab}


def override(name, **properties):
    """An override for the field or column of that name. Property names use _ for the dot: custom_width."""
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key.replace("_", ".", 1) if key.startswith("custom_") else key, "value": value}
                           for key, value in properties.items()]}


# Panels. All take a title, a description and queries; the board assigns position and id.

def panel(kind, title, description, queries, unit, options, field=None, custom=None, overrides=()):
    targets = []
    for index, target in enumerate(queries):
        targets.append({"refId": chr(ord("A") + index), **{key: value for key, value in target.items() if key != "column"}})
    defaults = {"unit": unit, "custom": custom or {}, "mappings": [], "thresholds": NO_MEANING, "links": [],
                "color": {"mode": "palette-classic"}, **{key: value for key, value in (field or {}).items() if value is not None}}
    return {"type": kind, "title": title, "description": " ".join(description.split()), "datasource": DATASOURCE, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options, "transparent": False}


def stat(title, description, queries, unit="short", thresholds=NO_MEANING, mappings=(), links=(), low=None, high=None, no_value=None,
         decimals=None, text="auto"):
    """One number, in the colour of its threshold. Always an instant query: over a range, the last value would outlive its
    series."""
    options = {"colorMode": "background" if thresholds is not NO_MEANING or mappings else "value", "graphMode": "none",
               "justifyMode": "auto", "orientation": "auto", "textMode": text,
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    field = {"thresholds": thresholds, "mappings": list(mappings), "links": list(links), "min": low, "max": high, "noValue": no_value,
             "decimals": decimals, "color": {"mode": "thresholds"}}
    return panel("stat", title, description, queries, unit, options, field)


def lines(title, description, queries, unit, low=0, high=None, stacked=False, bars=False, links=(), thresholds=None, decimals=None,
          overrides=()):
    """A time series with the last and the greatest value in the legend."""
    custom = {"drawStyle": "bars" if bars else "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 60 if bars else 10,
              "showPoints": "never", "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
              "axisPlacement": "auto", "scaleDistribution": {"type": "linear"},
              "thresholdsStyle": {"mode": "line" if thresholds else "off"}}
    options = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"], "showLegend": True,
                          "sortBy": "Max", "sortDesc": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    field = {"min": low, "max": high, "links": list(links), "thresholds": thresholds or NO_MEANING, "decimals": decimals}
    return panel("timeseries", title, description, queries, unit, options, field, custom, overrides)


def log_lines(*arguments, **named):
    """A time series on a logarithmic scale, for durations from tens of microseconds to minutes."""
    made = lines(*arguments, low=None, **named)
    made["fieldConfig"]["defaults"]["custom"]["scaleDistribution"] = {"type": "log", "log": 10}
    return made


def states(title, description, queries, mappings, links=()):
    """One band per series, in the colour and with the text of its value."""
    custom = {"fillOpacity": 70, "lineWidth": 0, "spanNulls": False}
    options = {"mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8,
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}, "tooltip": {"mode": "single", "sort": "none"}}
    field = {"mappings": mappings, "links": list(links), "color": {"mode": "thresholds"}, "min": 0, "max": 1}
    return panel("state-timeline", title, description, queries, "none", options, field, custom)


def bars(title, description, queries, unit="short", thresholds=NO_MEANING, links=()):
    """One horizontal bar per series, by an instant query."""
    options = {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "minVizWidth": 0, "minVizHeight": 10,
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    field = {"min": 0, "thresholds": thresholds, "links": list(links), "color": {"mode": "thresholds"}}
    return panel("bargauge", title, description, queries, unit, options, field)


def heatmap(title, description, expr, bucket_unit="s"):
    """A heatmap of a classic histogram; `expr` is the number of observations per bucket."""
    options = {"calculate": False, "cellGap": 1, "cellValues": {"unit": "short"}, "filterValues": {"le": 1e-9}, "rowsFrame": {"layout": "auto"},
               "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64, "reverse": False,
                         "fill": "dark-orange"},
               "yAxis": {"axisPlacement": "left", "reverse": False, "unit": bucket_unit}, "legend": {"show": True},
               "tooltip": {"mode": "single", "show": True, "yHistogram": False}, "exemplars": {"color": "rgba(255,0,255,0.7)"}}
    custom = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    made = panel("heatmap", title, description, [query(expr, heatmap=True)], "short", options, {}, custom)
    made["maxDataPoints"] = 120  # with more, the time buckets are too narrow to be visible
    return made


def table(title, description, columns, labels, unit="short", overrides=(), sort=None, no_value=None):
    """One row per label set and one column per query, by column(). `labels` are the label columns, in order; they keep their
    names because links refer to them."""
    many = len(columns) > 1
    heads = {f"Value #{chr(ord('A') + index)}" if many else "Value": target["column"] for index, target in enumerate(columns)}
    hidden = {name: True for name in ("Time", "__name__", "job", "instance") if name not in labels}
    hidden |= {name: True for name, head in heads.items() if head is None}
    renamed = {name: head for name, head in heads.items() if head}
    transformations = [{"id": "merge", "options": {}}] if many else []
    transformations.append({"id": "organize", "options": {"excludeByName": hidden, "renameByName": renamed,
                                                          "indexByName": {name: index for index, name in enumerate([*labels, *renamed])}}})
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"]},
               "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
    custom = {"align": "auto", "filterable": True, "inspect": False}
    made = panel("table", title, description, columns, unit, options, {"noValue": no_value, "color": {"mode": "thresholds"}}, custom,
                 overrides)
    made["transformations"] = transformations
    return made


# The board.

def variable(name, label, ask, description, many=False, all_value=None):
    """A variable that queries the data source. A multi-value variable also accepts All: as the pattern `all_value`, which
    stays short in a fleet of thousands, else as a list."""
    made = {"type": "query", "name": name, "label": label, "description": description, "datasource": DATASOURCE, "definition": ask,
            "query": {"query": ask, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2, "sort": 1, "regex": "",
            "hide": 0, "skipUrlSync": False, "multi": many, "includeAll": many, "current": {}, "options": []}
    if many:
        made["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
        if all_value:
            made["allValue"] = all_value
    return made


def data_source_variable():
    return {"type": "datasource", "name": "datasource", "label": "Data source", "description": "The Prometheus data source.",
            "query": "prometheus", "regex": "", "refresh": 1, "hide": 0, "skipUrlSync": False, "multi": False, "includeAll": False,
            "current": {}, "options": []}


def annotation(name, expr, colour, title, text):
    return {"name": name, "datasource": DATASOURCE, "expr": " ".join(expr.split()), "enable": True, "hide": False, "iconColor": colour,
            "titleFormat": title, "textFormat": text, "tagKeys": "instance", "step": "", "useValueForTime": False}


class Board:
    """Lays panels out from left to right; a row is as high as its first panel, and must be full before the next row begins."""

    def __init__(self, uid, title, description, variables, annotations, links, span):
        self.y = self.x = self.height = 0
        self.model = {"uid": uid, "title": title, "description": " ".join(description.split()), "tags": ["nswarden"], "schemaVersion": 37,
                      "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s", "timezone": "", "weekStart": "",
                      "fiscalYearStartMonth": 0, "liveNow": False, "time": {"from": f"now-{span}", "to": "now"}, "timepicker": {},
                      "templating": {"list": [data_source_variable(), *variables]}, "annotations": {"list": annotations},
                      "links": links, "panels": []}

    def row(self, title):
        self._end_line()
        self._place({"type": "row", "title": title, "collapsed": False, "panels": []}, COLUMNS, 1)
        self._end_line()

    def line(self, height, *placed):
        """Panels side by side, as (width, panel)."""
        self._end_line()
        for width, made in placed:
            self._place(made, width, height)

    def _place(self, made, width, height):
        position = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.model["panels"].append({"id": len(self.model["panels"]) + 1, "gridPos": position, **made})
        self.x += width
        self.height = height

    def _end_line(self):
        if self.x not in (0, COLUMNS):
            raise ValueError(f"a line of {self.model['title']} is {self.x} columns wide")
        self.y += self.height
        self.x = self.height = 0

    def finished(self):
        self._end_line()
        return self.model
