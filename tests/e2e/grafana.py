# SPDX-License-Identifier: Apache-2.0
"""Grafana's evaluation of a dashboard's queries: substitutes variables as its Prometheus data source does, and lists each
query of each panel, annotation and variable."""

import json
import os
import re
from dataclasses import dataclass

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)((?:\.\w+)*)(?::(\w+))?\}")
LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")
ALL = "$__all"


def load(name):
    with open(os.path.join(ROOT, "dashboards", f"nswarden-{name}.json"), encoding="utf-8") as file:
        return Dashboard(json.load(file))


@dataclass
class Target:
    """A query of a panel, and the places that show its values."""

    where: str
    panel: dict
    target: dict

    @property
    def expr(self):
        return self.target["expr"]

    @property
    def instant(self):
        return self.target["instant"]

    def column(self):
        """The name of its value column in a table, None if that is hidden."""
        name = f"Value #{self.target['refId']}" if len(self.panel["targets"]) > 1 else "Value"
        organize = self.panel["transformations"][-1]["options"]
        return None if organize["excludeByName"].get(name) else organize["renameByName"].get(name, name)

    def column_is_shown(self):
        return self.panel["type"] != "table" or self.column() is not None

    def unit(self):
        """The unit in which Grafana shows the values; None if it does not show them."""
        name = self.column() if self.panel["type"] == "table" else self.target["legendFormat"]
        if name is None:
            return None
        for override in self.panel["fieldConfig"]["overrides"]:
            if override["matcher"] == {"id": "byName", "options": name}:
                for entry in override["properties"]:
                    if entry["id"] == "unit":
                        return entry["value"]
        return self.panel["fieldConfig"]["defaults"]["unit"]


class Dashboard:
    def __init__(self, model):
        self.model = model
        self.variables = {variable["name"]: variable for variable in model["templating"]["list"]}
        self.panels = [panel for panel in model["panels"] if panel["type"] != "row"]

    def targets(self):
        return [Target(f"{self.model['uid']}: {panel['title']}: {target['refId']}", panel, target)
                for panel in self.panels for target in panel["targets"]]

    def annotations(self):
        return self.model["annotations"]["list"]

    def expressions(self):
        return [target.expr for target in self.targets()] + [annotation["expr"] for annotation in self.annotations()]

    def queries_of_variables(self):
        """{variable: (selector, label)} of label_values() variables."""
        found = {}
        for name, variable in self.variables.items():
            if variable["type"] == "query":
                selector, label = LABEL_VALUES.fullmatch(variable["query"]["query"]).groups()
                found[name] = selector, label
        return found

    def put_in(self, text, chosen, options=None, **times):
        """The text with the variables replaced. `chosen` is {variable: value, or a list for multi-value variables}, possibly
        ALL; `options` are all values of a variable, which replace ALL if it has no pattern for that. `times` are Grafana's."""
        def value(match):
            name = match[1] or match[2]
            if name in times:
                return times[name]
            variable, choice = self.variables[name], chosen[name]
            if not variable["multi"]:
                return choice.replace("\\", r"\\").replace("'", r"\\'")
            if choice == [ALL]:
                if "allValue" in variable:
                    return variable["allValue"]
                choice = options[name]
            escaped = [re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", one.replace("\\", r"\\\\")) for one in choice]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

        return VARIABLE.sub(value, text)


BOARDS = {name: load(name) for name in ("node", "fleet")}
