# SPDX-License-Identifier: Apache-2.0
"""Statements that exist twice, for Debian's tools and for those of the project, agree."""
import os
import re
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# The compiler is in build-essential; the others are for fetch-civetweb, for a build without it, or dependencies of
# prometheus-cpp-dev.
ONLY_OURS = {"g++", "patch", "xz-utils", "libcivetweb-dev", "libcurl4-openssl-dev"}
ONLY_DEBIANS = {"debhelper-compat", "dh-sequence-installsysusers"}


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="ascii") as file:
        return file.read()


class Debian(unittest.TestCase):
    def test_the_package_has_the_version_of_the_project(self):
        project = re.search(r"^project\(nswarden VERSION (\S+)", read("CMakeLists.txt"), re.MULTILINE).group(1)
        self.assertRegex(read("packaging", "debian", "changelog"), rf"\Answarden \({re.escape(project)}\) ")

    def test_the_package_is_built_with_what_scripts_install_deps_installs(self):
        ours = re.sub(r"#.*", "", re.search(r"^build_packages=\((.*?)^test_packages", read("scripts", "install-deps"), re.M | re.S).group(1))
        debians = re.search(r"^Build-Depends: (.*?)^\S", read("packaging", "debian", "control"), re.M | re.S).group(1)
        named = {re.match(r"\S+", entry.strip()).group() for entry in debians.split(",")}
        self.assertEqual(sorted(set(re.findall(r"[\w+.-]+", ours)) - ONLY_OURS), sorted(named - ONLY_DEBIANS))


if __name__ == "__main__":
    unittest.main()
