# SPDX-License-Identifier: Apache-2.0
"""cmake --install with the usual prefixes: every file is in its place, and every installed path refers to it."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.dirname(os.path.realpath(os.environ["NSWARDEN_BINARY"]))

# Below the prefix.
FILES = ["bin/nswarden", "lib/modules-load.d/nswarden.conf", "lib/systemd/system/nswarden.service", "lib/sysusers.d/nswarden.conf",
         "share/bash-completion/completions/nswarden", "share/doc/nswarden/LICENSE", "share/doc/nswarden/README.md", "share/doc/nswarden/SECURITY.md",
         "share/man/man1/nswarden.1", "share/man/man5/nswarden.yaml.5", "share/nswarden/dashboards/nswarden-fleet.json",
         "share/nswarden/dashboards/nswarden-node.json", "share/nswarden/rules/alerts.yaml", "share/nswarden/rules/recording.yaml",
         "share/zsh/site-functions/_nswarden"]


def shipped(pattern):
    return [os.path.relpath(path, SOURCE) for path in glob.glob(os.path.join(SOURCE, pattern), recursive=True)]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Install(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)

    def install(self, prefix, destdir=""):
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--strip"], capture_output=True, text=True, check=False,
                              env={**os.environ, "DESTDIR": destdir})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def files(self, root):
        return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)

    def expected(self, prefix, etc):
        documents = [name for end in ("md", "svg", "png") for name in shipped(f"docs/**/*.{end}")]
        documents += [os.path.join("examples", os.path.basename(name)) for name in shipped("config/examples/*.yaml")]
        below = FILES + [os.path.join("share/doc/nswarden", name) for name in documents]
        return sorted([os.path.join(prefix, name) for name in below] + [f"{etc}/default/nswarden", f"{etc}/nswarden/nswarden.yaml"])

    def test_prefix_usr_and_destdir_as_a_package_has_it(self):
        self.install("/usr", destdir=self.root)
        self.assertEqual(self.files(self.root), self.expected("usr", "etc"))
        unit = read(os.path.join(self.root, "usr/lib/systemd/system/nswarden.service"))
        self.assertEqual(unit, read(os.path.join(SOURCE, "packaging/systemd/nswarden.service")))
        self.assertEqual(read(os.path.join(self.root, "etc/default/nswarden")), read(os.path.join(SOURCE, "packaging/systemd/nswarden.default")))

    def test_prefix_usr_local_keeps_to_itself(self):
        self.install("/usr/local", destdir=self.root)
        self.assertEqual(self.files(self.root), self.expected("usr/local", "usr/local/etc"))

    def test_with_any_prefix_the_unit_starts_what_was_installed_with_the_configuration_that_was_installed(self):
        self.install(self.root)
        self.assertEqual(self.files(self.root), self.expected("", "etc"))
        unit = read(os.path.join(self.root, "lib/systemd/system/nswarden.service"))
        binary = re.search(r"^ExecStart=(\S+) run \$ARGS$", unit, re.MULTILINE).group(1)
        self.assertEqual(binary, os.path.join(self.root, "bin/nswarden"))
        arguments = read(re.search(r"^EnvironmentFile=-(\S+)$", unit, re.MULTILINE).group(1))
        policy = re.search(r'^ARGS="--config.file=(\S+)"$', arguments, re.MULTILINE).group(1)
        subprocess.run([binary, "config", "check", policy], check=True, capture_output=True)
        self.assertNotIn("/usr/bin/nswarden", unit)

    def test_configuration_that_is_there_is_kept(self):
        self.install(self.root)
        policy = os.path.join(self.root, "etc/nswarden/nswarden.yaml")
        with open(policy, "w", encoding="ascii") as file:
            file.write("version: 1\npolicies: []\n")
        self.assertIn(f"Kept: {policy}", self.install(self.root))
        self.assertEqual(read(policy), "version: 1\npolicies: []\n")


if __name__ == "__main__":
    if not shutil.which("cmake") or not os.path.exists(os.path.join(BUILD, "cmake_install.cmake")):
        print("SKIP: no cmake, or the binary is not in the directory where it was built")
        sys.exit(77)
    unittest.main()
