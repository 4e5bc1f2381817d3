# SPDX-License-Identifier: Apache-2.0
"""Queries of a dashboard, answered by a real Prometheus."""

import monitoring
from harness import wait_until


class Prometheus(monitoring.Prometheus):
    def now(self, expr, at=None):
        """[(labels, value)] of an instant query."""
        result = self.api("query", query=expr, **({"time": at} if at else {}))["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def over(self, expr, start, end, step):
        """[(labels, [values])] of a range query."""
        result = self.api("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def label_values(self, label, selector, start, end):
        return self.api(f"label/{label}/values", **{"match[]": selector, "start": start, "end": end})

    def wait_for(self, expr, what):
        """The first non-empty answer to an instant query."""
        return wait_until(lambda: self.now(expr), lambda: f"{what}, by {expr}; the log of Prometheus:\n{self.log()}")
