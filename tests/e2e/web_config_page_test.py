# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/web-config.md work with the programs concerned: its commands create certificates that are valid for
their purpose, and promtool accepts its examples, for nswarden and for Prometheus, unchanged."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "web-config.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind, start):
    with open(PAGE, encoding="utf-8") as page:
        return [text for found, text in BLOCK.findall(page.read()) if found == kind and text.startswith(start)]


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="nswarden-page-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (commands,) = blocks("sh", "umask")
        subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=cls.folder, check=True, capture_output=True)

    def run_in_folder(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_the_certificates_are_good_for_what_they_are_meant_for(self):
        self.run_in_folder("openssl", "verify", "-CAfile", "ca.pem", "-purpose", "sslserver", "-verify_hostname", "node1.example",
                           "server.pem")
        self.run_in_folder("openssl", "verify", "-CAfile", "ca.pem", "-purpose", "sslserver", "-verify_ip", "192.0.2.10", "server.pem")
        self.run_in_folder("openssl", "verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "client.pem")
        for wrong in ["-purpose sslclient server.pem", "-purpose sslserver client.pem", "-verify_hostname node2.example server.pem"]:
            with self.subTest(wrong):
                done = subprocess.run(["openssl", "verify", "-CAfile", "ca.pem", *wrong.split()], cwd=self.folder, check=False,
                                      capture_output=True)
                self.assertNotEqual(done.returncode, 0)

    def test_keys_are_for_their_owner_alone(self):
        for name in ["ca.key", "server.key", "client.key"]:
            self.assertEqual(os.stat(os.path.join(self.folder, name)).st_mode & 0o777, 0o600, name)

    def test_promtool_takes_the_examples_of_web_configurations(self):
        examples = blocks("yaml", "# web.yaml\n")
        self.assertEqual(len(examples), 2)
        for example in examples:
            with self.subTest(example):
                self.write("web.yaml", example.replace("/etc/nswarden/tls/", ""))
                self.run_in_folder("promtool", "check", "web-config", "web.yaml")

    def test_promtool_takes_the_example_of_a_scrape_configuration(self):
        (example,) = blocks("yaml", "# prometheus.yaml\n")
        self.write("prometheus.yaml", example)
        self.write("password", "secret")
        self.run_in_folder("promtool", "check", "config", "prometheus.yaml")


if __name__ == "__main__":
    missing = [program for program in ["openssl", "promtool"] if shutil.which(program) is None]
    if missing:
        print("SKIP: wants", " and ".join(missing))
        sys.exit(77)
    unittest.main()
