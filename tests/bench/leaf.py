# SPDX-License-Identifier: Apache-2.0
"""Runs the Prometheus of docs/scale.md, with the configuration of that page except for addresses, paths, times and the number of shards, and a
second one that receives its samples."""

import copy
import http.client
import json
import os
import re
import time
import urllib.parse

import yaml

import monitoring
from harness import parse_metrics

PATIENCE = 120  # seconds
PAGE = os.path.join(monitoring.ROOT, "docs", "scale.md")


def snippets():
    """YAML snippets of the page: {title: content}; the title is the comment in the first line."""
    with open(PAGE, encoding="utf-8") as file:
        found = re.findall(r"^```yaml\n# ([^\n]+)\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    return {title: yaml.safe_load(text) for title, text in found}


class Prometheus(monitoring.Prometheus):
    """A Prometheus with the given configuration."""

    def __init__(self, directory, name, config, port, *flags):
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        config_file = os.path.join(self.directory, "prometheus.yml")
        with open(config_file, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        monitoring.Server.__init__(self, name, self.directory, port, [
            "prometheus", f"--config.file={config_file}", f"--storage.tsdb.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags], "/-/ready")

    def get(self, path):
        """Status and body. The timeout is longer than in tests: a loaded machine responds slowly."""
        return self.request("GET", path)

    def request(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def own(self):
        """The metrics of this Prometheus."""
        status, body = self.get("/metrics")
        assert status == 200, status
        return parse_metrics(body.decode())

    def number(self, expression):
        """The single value of an instant query; 0 without a result."""
        return next(iter(self.query(expression).values()), 0)

    def timed(self, path, **parameters):
        """Fastest of three API calls in milliseconds, and the data returned."""
        times = []
        for _ in range(3):
            began = time.monotonic()
            data = self.api(path, **parameters)
            times.append(1000 * (time.monotonic() - began))
        return min(times), data


def value(metrics, name, **labels):
    """Sum of the series with these labels."""
    return sum(found for key, found in metrics.get(name, {}).items() if labels.items() <= dict(key).items())


class Leaf(Prometheus):
    """The Prometheus that scrapes the nodes; watch() sets its targets."""

    def __init__(self, directory, interval, evaluation, receiver):
        self.targets = os.path.join(directory, "nodes.json")
        config = copy.deepcopy(snippets()["prometheus.yml of a leaf"])
        config["global"].update(scrape_interval=f"{interval}s", scrape_timeout=f"{interval}s", evaluation_interval=f"{evaluation}s")
        config["rule_files"] = [os.path.abspath(os.path.join(monitoring.ROOT, "dashboards", os.path.basename(path)))
                                for path in config["rule_files"]]
        del config["alerting"]["alertmanagers"]
        (scrape,) = config["scrape_configs"]
        scrape["file_sd_configs"] = [{"files": [self.targets], "refresh_interval": "1s"}]
        (hashed,) = [step for step in scrape["relabel_configs"] if step["action"] == "hashmod"]
        hashed["modulus"] = 1
        config["remote_write"][0]["url"] = f"http://127.0.0.1:{receiver.port}/api/v1/write"
        self.interval, self.evaluation = interval, evaluation
        super().__init__(directory, "leaf", config, 9090, "--web.enable-admin-api")

    def watch(self, nodes):
        with open(self.targets + ".new", "w", encoding="utf-8") as file:
            json.dump([{"targets": [node.address for node in nodes]}], file)
        os.rename(self.targets + ".new", self.targets)

    def federate(self, match):
        """Duration in milliseconds, and the text."""
        began = time.monotonic()
        status, body = self.get("/federate?" + urllib.parse.urlencode({"match[]": match}, doseq=True))
        assert status == 200, status
        return 1000 * (time.monotonic() - began), body.decode()

    def size_on_disk(self):
        """Returns {data directory: bytes}."""
        data = os.path.join(self.directory, "data")
        return {name: size_of(os.path.join(data, name)) for name in ("wal", "chunks_head")}

    def block(self):
        """The head as a block: its statistics, bytes of chunks and bytes of index."""
        _, answer = self.request("POST", "/api/v1/admin/tsdb/snapshot")
        top = os.path.join(self.directory, "data", "snapshots", json.loads(answer)["data"]["name"])
        total, chunks, index = {}, 0, 0
        for name in os.listdir(top):
            with open(os.path.join(top, name, "meta.json"), encoding="utf-8") as file:
                for what, count in json.load(file)["stats"].items():
                    total[what] = total.get(what, 0) + count
            chunks += size_of(os.path.join(top, name, "chunks"))
            index += os.path.getsize(os.path.join(top, name, "index"))
        return total, chunks, index


class Above(Prometheus):
    """Receives the leaf's samples by remote write and evaluates the rules for the level above the leaves."""

    def __init__(self, directory):
        known = snippets()
        rules = os.path.join(directory, "global.yaml")
        with open(rules, "w", encoding="utf-8") as file:
            yaml.safe_dump(known["global.yaml: recording rules above the leaves"], file)
        (scrape,) = known["prometheus.yml of a Prometheus above the leaves"]["scrape_configs"]
        self.match = scrape["params"]["match[]"]
        super().__init__(directory, "above", {"global": {"evaluation_interval": "1s"}, "rule_files": [rules]}, 9091,
                         "--web.enable-remote-write-receiver")


def size_of(directory):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(directory) for name in names)
