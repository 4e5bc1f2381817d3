# SPDX-License-Identifier: Apache-2.0
"""Multi-file configurations for tests."""

import json
import os

import harness
from harness import add_netns, config, put, run_binary

KEY, WAS = "net.ipv4.tcp_keepalive_time", "7200"
OTHER, OTHER_WAS = "net.ipv4.tcp_keepalive_intvl", "75"
THIRD = "net.ipv4.tcp_keepalive_probes"


def including(paths, *policies):
    return config(*policies, include=json.dumps(paths)).replace("policies:\n", "policies:\n" if policies else "policies: []\n")


class FilesCase(harness.Case):
    def setUp(self):
        super().setUp()
        add_netns("r1")

    def path(self, name):
        return os.path.join(self.directory, name)

    def put_file(self, name, text):
        """Writes atomically: a temporary file is renamed into place."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        self.configure(text, self.path(name))

    def start_with(self, text, *arguments, interval="1h"):
        self.configure(text)
        return self.start(*arguments, interval=interval)

    def refused(self):
        """The output of `config check`, without the directory."""
        done = run_binary("config", "check", self.config_file)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        return done.stderr.replace(self.directory + "/", "").splitlines()

    def explained(self, netns="r1"):
        done = run_binary("explain", netns, f"--config.file={self.config_file}", "--output=json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {setting["key"]: setting for setting in json.loads(done.stdout)["settings"]}

    def wait_reload(self, daemon, result, count):
        return daemon.wait_metrics(lambda m: m.sum("config_reloads_total", result=result) >= count, f"reload {count}: {result}")

    def check_old_stays(self, daemon, failures=1):
        """The last good policy is in force: KEY is 111."""
        self.wait_reload(daemon, "failure", failures)
        daemon.wait_metrics(lambda m: m.sum("config_last_reload_successful") == 0, "the failed reload")
        put("r1", KEY, 5)
        self.wait_value("r1", KEY, 111)
