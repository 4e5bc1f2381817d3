# SPDX-License-Identifier: Apache-2.0
"""The binary is linked with exactly the libraries that docs/dependencies.md lists."""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BINARY = os.environ["NSWARDEN_BINARY"]
# Traces of compiled-in code in a stripped binary.
TRACES = {"CivetWeb": b"mg_start_domain2", "CLI11": b"N3CLI", "JSON for Modern C++": b"N8nlohmann"}


def rows_below(heading):
    """The first cells of the table below that heading."""
    with open(os.path.join(SOURCE, "docs", "dependencies.md"), encoding="ascii") as file:
        section = file.read().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| *([^|]+?) *\|", section, re.MULTILINE)
    assert cells[:2] == ["Library", "---"], cells
    return cells[2:]


def libraries_below(heading):
    return [name for cell in rows_below(heading) for name in re.findall(r"`([^`]+)`", cell)]


def printed(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def stem(soname):
    """libfmt of libfmt.so.9: versions differ between releases."""
    return re.sub(r"\.so(\..*)?$", "", soname)


def needed():
    return {stem(name) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", printed("readelf", "-d", BINARY))}


class Linked(unittest.TestCase):
    maxDiff = None

    def test_the_libraries_that_it_asks_for_are_those_of_the_page(self):
        # A build without CivetWeb's source uses Debian's library of it, as the page says in prose.
        self.assertEqual(sorted(needed() - {"libcivetweb"}), sorted(libraries_below("Shared")))

    def test_the_page_names_each_library_that_these_bring(self):
        loaded = {stem(os.path.basename(name)) for name in re.findall(r"^\s*(\S+\.so\S*)", printed("ldd", BINARY), re.MULTILINE)}
        loaded -= {"linux-vdso", "libcivetweb", "libdl", "libpthread"}
        self.assertGreater(len(loaded), len(needed()) - 1)
        known = libraries_below("Shared") + libraries_below("Indirect dependencies")
        self.assertEqual([name for name in sorted(loaded) if not any(fnmatch.fnmatch(name, pattern) for pattern in known)], [])

    def test_what_the_page_calls_built_in_is_in_it(self):
        with open(BINARY, "rb") as file:
            binary = file.read()
        for name in rows_below("Built in"):
            with self.subTest(name):
                if name == "CivetWeb" and "libcivetweb" in needed():
                    continue
                self.assertTrue(TRACES[name] in binary)
        self.assertEqual(sorted(rows_below("Built in")), sorted(TRACES))


if __name__ == "__main__":
    for tool in ("readelf", "ldd"):
        if not shutil.which(tool):
            print(f"SKIP: no {tool}")
            sys.exit(77)
    unittest.main()
