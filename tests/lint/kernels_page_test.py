# SPDX-License-Identifier: Apache-2.0
"""docs/kernels.md has the same tables as src/netns/kernel_features.cpp and the rows with versions of src/policy/key_traits.cpp."""

import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FEATURE = re.compile(r'KernelFeature\{\s*"([^"]+)",\s*"([\d.]+)",\s*(?:\[\].*?\}|\w+),\s*((?:"[^"]*"\s*)+),\s*((?:"[^"]*"\s*)+)\}', re.DOTALL)
ROW = re.compile(r'KeyRow\{"([^"]+)",\s*"([^"]+)", \{\.(host_only_before|rtnl_since) = \{(\d+), (\d+)\}\}\}')
SAYS = {"host_only_before": "only in the host's own netns before {}", "rtnl_since": "writes wait for RTNL since {}"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def joined(literals):
    return "".join(re.findall(r'"([^"]*)"', literals))


class KernelsPage(unittest.TestCase):
    def rows(self, heading):
        section = read("docs/kernels.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]
        rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section.splitlines() if line.startswith("|")]
        return rows[2:]

    def test_features_are_those_of_the_source(self):
        source = []
        for name, since, otherwise, limit in FEATURE.findall(read("src/netns/kernel_features.cpp")):
            weaker = f". **Weaker:** {joined(limit)}" if joined(limit) else ""
            source.append((name, since, joined(otherwise) + weaker))
        self.assertGreater(len(source), 5)
        self.assertEqual(self.rows("Features"), source)

    def test_keys_are_those_of_the_source(self):
        source = []
        for directory, names, kind, version, patch_level in ROW.findall(read("src/policy/key_traits.cpp")):
            keys = ", ".join(f"`net.{directory.replace('/', '.')}.{name}`" for name in names.split())
            source.append((keys, SAYS[kind].format(f"{version}.{patch_level}")))
        self.assertEqual(len(source), read("src/policy/key_traits.cpp").count("_before = {") + read("src/policy/key_traits.cpp").count("_since = {"))
        self.assertEqual(self.rows("Keys"), source)


if __name__ == "__main__":
    unittest.main()
