# SPDX-License-Identifier: Apache-2.0
"""Units of PromQL expressions: derived from metric names by the Prometheus naming rules, and from the functions and operators
applied. Rejects meaningless expressions, such as bytes plus seconds.

It also lists the metrics and labels that an expression refers to. Parses the subset of PromQL that dashboards use, and raises
an error for the rest.
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w])
                       |(?P<name>[A-Za-z_:][\w:]*)|(?P<operator>=~|!~|==|!=|>=|<=|[-+*/%^><=(){},]))""", re.VERBOSE)
AGGREGATIONS = {"sum", "avg", "min", "max", "count", "topk", "bottomk", "group"}
PRECEDENCE = {"or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, ">": 3, "<": 3, ">=": 3, "<=": 3, "+": 4, "-": 4, "*": 5, "/": 5}
# Suffixes of names, first match. n: a number of things; t: a timestamp; flag: 0 or 1; any: a raw kernel value.
NAMES = [(r"_seconds_bucket|_seconds_count", "n"), (r"_timestamp_seconds|_start_time_seconds", "t"), (r"_seconds(_sum|_total)?", "s"),
         (r"_bytes(_total)?", "B"), (r"_info|_successful|_enabled|_up|\bup|_sysctl_drift", "flag"), (r"_sysctl_value", "any"), (r"", "n")]


class Meaningless(ValueError):
    """The expression compares, adds or counts incompatible units."""


@dataclass(frozen=True)
class Unit:
    """Powers of base units, times a scale: 60 per second is per minute."""

    powers: frozenset = frozenset()
    scale: float = 1
    literal: bool = False  # a literal number, compatible with any unit
    bounds: str = ""  # of buckets: the unit of `le`

    @staticmethod
    def of(base, **more):
        return Unit(frozenset({(base, 1)}), **more)

    def times(self, other, sign=1):
        powers = dict(self.powers)
        for base, power in other.powers:
            powers[base] = powers.get(base, 0) + sign * power
        kept = frozenset((base, power) for base, power in powers.items() if power)
        return Unit(kept, self.scale * other.scale**sign, self.literal and other.literal)

    def kind(self):
        """Its name in this table, with ratios per thing reduced: the mean of seconds is in seconds."""
        powers = dict(self.powers)
        if powers.get("n", 0) < 0:
            del powers["n"]
        kinds = {(): {1: "ratio"}, (("s", 1),): {1: "seconds"}, (("B", 1),): {1: "bytes"}, (("n", 1),): {1: "count"},
                 (("n", 1), ("s", -1)): {1: "per second", 60: "per minute"}, (("t", 1),): {1000: "time in ms"}, (("flag", 1),): {1: "flag"},
                 (("any", 1),): {1: "any"}}
        try:
            return kinds[tuple(sorted(powers.items()))][self.scale]
        except KeyError:
            raise Meaningless(f"no kind: {self}") from None


@dataclass
class Selector:
    metric: str
    matchers: dict = field(default_factory=dict)  # {label: (operator, value)}


def unit_of_metric(name):
    base = next(base for ends, base in NAMES if re.search(f"(?:{ends})$", name))
    return Unit.of(base, bounds="s" if name.endswith("_seconds_bucket") else "")


class Expression:
    """`unit` and `selectors` of a PromQL expression."""

    def __init__(self, text):
        self.text = text
        self.tokens = self._read(text)
        self.at = 0
        self.selectors = []
        self.unit = self._operators(1)
        if self.at != len(self.tokens):
            raise ValueError(f"not read from here on: {self.tokens[self.at:]} of {text}")

    @staticmethod
    def _read(text):
        tokens, position = [], 0
        text = text.rstrip()
        while position < len(text):
            match = TOKEN.match(text, position)
            if not match:
                raise ValueError(f"not understood: {text[position:]!r}")
            tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return tokens

    def _peek(self):
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def _take(self, wanted=None):
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else (None, None)
        if wanted and text != wanted:
            raise ValueError(f"{wanted!r} is wanted, not {text!r}, in {self.text}")
        self.at += 1
        return kind, text

    def _accept(self, text):
        if self._peek() != text:
            return False
        self.at += 1
        return True

    def _operators(self, lowest):
        left = self._primary()
        while (operator := self._peek()) in PRECEDENCE and PRECEDENCE[operator] >= lowest:
            self._take()
            as_flag = self._accept("bool")
            for word in ("on", "ignoring", "group_left", "group_right"):
                if self._accept(word) and self._peek() == "(":
                    self._label_list()
            left = self._joined(operator, as_flag, left, self._operators(PRECEDENCE[operator] + 1))
        return left

    def _joined(self, operator, as_flag, left, right):
        if operator in ("and", "unless"):
            return left
        if operator == "*":
            return left.times(right)
        if operator == "/":
            return left.times(right, -1)
        if operator == "-" and dict(left.powers) == dict(right.powers) == {"t": 1} and left.scale == right.scale == 1:
            return Unit.of("s")
        if not left.literal and not right.literal and (left.powers, left.scale) != (right.powers, right.scale):
            raise Meaningless(f"{left} {operator} {right} in {self.text}")
        if operator == "+" and ("t", 1) in left.powers:
            raise Meaningless(f"the sum of points of time in {self.text}")
        if as_flag:
            return Unit.of("flag")
        return right if left.literal and operator in "+-or" else left

    def _primary(self):
        kind, text = self._take()
        if kind == "number":
            return Unit(scale=float(text), literal=True)
        if text == "(":
            inner = self._operators(1)
            self._take(")")
            return inner
        if kind != "name":
            raise ValueError(f"not understood: {text!r} in {self.text}")
        if text in AGGREGATIONS:
            return self._aggregation(text)
        if self._peek() == "(":
            return self._function(text)
        return self._selector(text)

    def _selector(self, metric):
        selector = Selector(metric)
        if self._accept("{"):
            while not self._accept("}"):
                label, operator, value = (self._take()[1] for _ in range(3))
                selector.matchers[label] = (operator, value[1:-1])
                self._accept(",")
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "range":
            self._take()
        self.selectors.append(selector)
        return unit_of_metric(metric)

    def _label_list(self):
        self._take("(")
        while not self._accept(")"):
            self._take()

    def _arguments(self):
        found = []
        self._take("(")
        while not self._accept(")"):
            found.append(self._operators(1))
            self._accept(",")
        return found

    def _aggregation(self, name):
        grouped = False
        if self._peek() in ("by", "without"):
            self._take()
            self._label_list()
            grouped = True
        unit = self._arguments()[-1]
        if not grouped and self._peek() in ("by", "without"):
            self._take()
            self._label_list()
        if name in ("count", "group"):
            return Unit.of("n")
        if ("t", 1) in unit.powers and name in ("sum", "avg"):
            raise Meaningless(f"the {name} of points of time in {self.text}")
        if ("flag", 1) in unit.powers and name in ("sum", "avg"):
            return Unit.of("n") if name == "sum" else Unit()
        return unit

    def _function(self, name):
        units = self._arguments()
        unit = units[-1] if units else Unit()
        if name == "time":
            return Unit.of("t")
        if name == "rate":
            return Unit(unit.times(Unit.of("s"), -1).powers, bounds=unit.bounds)
        if name == "changes":
            return Unit.of("n")
        if name == "vector":
            return Unit(literal=True)
        if name == "histogram_quantile":
            if not unit.bounds:
                raise Meaningless(f"quantiles of what has no buckets in {self.text}")
            return Unit.of(unit.bounds)
        if name in ("increase", "max_over_time", "min_over_time", "last_over_time", "clamp_min", "clamp_max"):
            return units[0]
        raise ValueError(f"the function {name} is not known here: add it with what it does to units")
