# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus on loopback, for a test: its files are in the test's directory, and it ends with it."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from harness import DEADLINE, wait_until

BINARY = "/usr/bin/prometheus"


def free_port():
    """Of loopback in the test's own network namespace, where nobody else takes it meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class QueryError(Exception):
    """What Prometheus says against a query."""


class Prometheus:
    """Scrapes `jobs` ({job: [address]}), and itself as `own_job`, and answers queries. JSON is YAML, so its configuration is written
    as JSON."""

    def __init__(self, directory, jobs, own_job=None, scrape_interval="500ms", rule_files=(), **configuration):
        self.directory = os.path.join(directory, "prometheus")
        os.mkdir(self.directory)
        self.address = f"127.0.0.1:{free_port()}"
        jobs = {**jobs, own_job: [self.address]} if own_job else jobs
        path = os.path.join(self.directory, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval,
                                  "evaluation_interval": scrape_interval},
                       "scrape_configs": [{"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in jobs.items()],
                       "rule_files": list(rule_files), **configuration}, file)
        self.log_path = os.path.join(self.directory, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([BINARY, f"--config.file={path}", f"--web.listen-address={self.address}",
                                             f"--storage.tsdb.path={self.directory}/data", "--log.level=warn"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(self._is_ready, lambda: f"Prometheus is ready; its log:\n{self.log()}")
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {self.process.returncode}:\n{self.log()}")
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=DEADLINE) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def ask(self, path, **parameters):
        """The `data` of an answer of its API; warnings are errors here, hints (as for a rate of what has no name of a counter) are not."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(f"{parameters}: {error.read().decode('utf-8', 'replace')}") from None
        if body["status"] != "success" or [text for text in body.get("warnings", []) if not text.startswith("PromQL info")]:
            raise QueryError(f"{parameters}: {body}")
        return body["data"]

    def now(self, expr, at=None):
        """[(labels, value)] of an instant query."""
        result = self.ask("query", query=expr, **({"time": at} if at else {}))["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def over(self, expr, start, end, step):
        """[(labels, [values])] of a range query."""
        result = self.ask("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def label_values(self, label, selector, start, end):
        return self.ask(f"label/{label}/values", **{"match[]": selector, "start": start, "end": end})

    def wait_for(self, expr, what):
        """The first non-empty answer to an instant query."""
        return wait_until(lambda: self.now(expr), lambda: f"{what}, by {expr}; the log of Prometheus:\n{self.log()}")
