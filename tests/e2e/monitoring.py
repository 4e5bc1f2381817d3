# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus for one test: on loopback of the test's network namespace, with its data in the test's directory.
Standard library only."""

import http.client
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

from harness import DEADLINE, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
RULE_FILES = ("alerts.yaml", "recording.yaml")


def missing_program(*programs):
    """The first of them that is not installed, or None."""
    return next((program for program in programs if not shutil.which(program)), None)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def shipped(name):
    return read("dashboards", name)


def runbooks():
    """{file name: text}."""
    return {name: read("docs", "runbooks", name) for name in sorted(os.listdir(os.path.join(ROOT, "docs", "runbooks")))}


FOR = re.compile(r"^( +for: )\d+[smh]$", re.MULTILINE)


def with_short_for(rules):
    """The text of a rule file with each `for:` set to two seconds, so that one slow scrape does not raise an alert."""
    return FOR.sub(r"\g<1>2s", rules)


class Server:
    """A program that serves HTTP on loopback and logs to a file, until stop()."""

    def __init__(self, name, directory, port, command, is_ready):
        self.name = name
        self.port = port
        self.log_file = os.path.join(directory, f"{name}.log")
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
        try:
            wait_until(lambda: self.get(is_ready)[0] == 200, lambda: f"{name} is ready; its log:\n{self.log()}")
        except BaseException:
            self.stop()
            raise

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def get(self, path):
        """Status and body."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}; its log:\n{self.log()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Prometheus(Server):
    """Scrapes every second and evaluates twice a second. It takes 5 s to begin."""

    def __init__(self, directory, targets, rules=(), alertmanager=None, job="nswarden", port=9090, own_job=None):
        """`targets`: addresses; `rules`: texts of rule files; `alertmanager`: its address; `own_job`: the job that scrapes
        Prometheus itself."""
        directory = os.path.join(directory, "prometheus")
        os.mkdir(directory)
        rule_files = []
        for i, text in enumerate(rules):
            rule_files.append(os.path.join(directory, f"rules-{i}.yaml"))
            with open(rule_files[-1], "w", encoding="utf-8") as file:
                file.write(text)
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"}, "rule_files": rule_files,
                  "scrape_configs": [{"job_name": job, "static_configs": [{"targets": list(targets)}]}]}
        if own_job:
            config["scrape_configs"].append({"job_name": own_job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]})
        if alertmanager:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        config_file = os.path.join(directory, "prometheus.yml")
        with open(config_file, "w", encoding="utf-8") as file:
            json.dump(config, file)  # which is YAML
        super().__init__("prometheus", directory, port, [
            "prometheus", f"--config.file={config_file}", f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}",
            "--rules.alert.resend-delay=1s", "--log.level=warn"], "/-/ready")

    def api(self, path, **parameters):
        """The data of the response to /api/v1/PATH."""
        status, body = self.get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise AssertionError(f"{path} {parameters}: {status} {body[:500]!r}")
        return answer["data"]

    def query(self, expression):
        """{labels as a frozenset of pairs: value} of an instant vector, now."""
        return {frozenset(sample["metric"].items()): float(sample["value"][1])
                for sample in self.api("query", query=expression, time=time.time())["result"]}

    def rules(self):
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]

    def alerts(self):
        """Names of the firing alerts."""
        return sorted(alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"] if alert["state"] == "firing")

    def wait_query(self, expression, condition, what):
        """The first result of the query for which condition(result) is true."""
        def check():
            found = self.query(expression)
            return found if condition(found) else None

        return wait_until(check, lambda: f"{what}; {expression} is {self.query(expression)}")
