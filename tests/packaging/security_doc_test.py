# SPDX-License-Identifier: Apache-2.0
"""Each test that SECURITY.md or docs/promises.md names exists, by file and by name."""

import glob
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
NAMED = re.compile(r"(?:^|; )(.+?) \(`(tests/[^`]+)`\)(?=$|;)")


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def tables(text):
    """Pairs of the names of columns and the rows, as lists of cells."""
    found, before = [], False
    for line in text.splitlines():
        is_row = line.startswith("|")
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if is_row else []
        if is_row and not before:
            found.append((row, []))
        elif is_row and set(row[0]) != {"-"}:
            found[-1][1].append(row)
        before = is_row
    return found


def words(name):
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def tests_in(path):
    """The names of the tests of a file, in words."""
    text = text_of(path)
    if path.endswith(".py"):
        return {words(name) for name in re.findall(r"^ +def test_(\w+)\(self", text, re.MULTILINE)}
    literal = r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)'
    return {words("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts))) for parts in re.findall(literal, text)}


def named_in(text):
    """Pairs of a name and a file; and the test cells that do not consist only of such pairs."""
    pairs, odd = [], []
    for names, rows in tables(text):
        for cell in (row[names.index("test")] for row in rows if "test" in names):
            found = NAMED.findall(cell)
            pairs += found
            if "; ".join(f"{name} (`{file}`)" for name, file in found) != cell and not cell.startswith("none: not defended"):
                odd.append(cell)
    return pairs, odd


class Security(unittest.TestCase):
    def test_every_claim_names_a_test_and_each_of_them_is_there(self):
        pairs, odd = named_in(text_of("SECURITY.md"))
        self.assertEqual(odd, [])
        self.assertGreater(len(pairs), 60)
        for name, file in pairs:
            with self.subTest(file):
                self.assertTrue(os.path.exists(os.path.join(ROOT, file)), file)
                self.assertIn(words(name), tests_in(file))

    def test_links_within_the_page_lead_to_headings(self):
        text = text_of("SECURITY.md")
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
        for target in re.findall(r"\]\(#([^)]+)\)", text):
            self.assertIn(target, headings)

    def test_a_test_that_is_not_there_is_noticed(self):
        page = "| tries | comes | test |\n|---|---|---|\n| a | b | it is so (`tests/e2e/http_test.py`); no (`tests/e2e/x_test.py`) |\n| a | b | so |\n"
        self.assertEqual(named_in(page), ([("it is so", "tests/e2e/http_test.py"), ("no", "tests/e2e/x_test.py")], ["so"]))
        self.assertNotIn("it is so", tests_in("tests/e2e/http_test.py"))
        self.assertIn("paths are exact", tests_in("tests/e2e/http_test.py"))


class Promises(unittest.TestCase):
    def is_there(self, name):
        """Whether the test of the build, or the program, exists; a * matches several."""
        if name.startswith("tests/"):
            return os.path.exists(os.path.join(ROOT, name.split()[0]))
        if name == "netns" or name.startswith("unit-"):
            return os.path.isdir(os.path.join(ROOT, "tests", name.replace("-", "/")))
        for prefix, pattern in (("e2e-", "tests/e2e/**/{}_test.py"), ("fuzz-", "tests/fuzz/fuzz_{}.cpp"), ("packaging-", "tests/packaging/{}_test.py")):
            if name.startswith(prefix):
                return bool(glob.glob(os.path.join(ROOT, pattern.format(name.removeprefix(prefix).removesuffix("-asan"))), recursive=True))
        return f"add_executable({name} " in text_of("tests/CMakeLists.txt")

    def test_every_promise_names_a_test_and_each_of_them_is_there(self):
        rows = next(rows for names, rows in tables(text_of("docs/promises.md")) if names[0] == "promise")
        self.assertGreater(len(rows), 20)
        for promise, _, tests, longer in rows:
            with self.subTest(promise):
                self.assertTrue(re.findall("`([^`]+)`", tests))
                for name in re.findall("`([^`]+)`", tests + longer):
                    self.assertTrue(self.is_there(name), name)

    def test_one_that_is_not_there_is_noticed(self):
        for name in ("e2e-nothing", "fuzz-nothing-asan", "tests/long/nothing", "nswarden_nothing", "unit-os"):
            self.assertFalse(self.is_there(name), name)


if __name__ == "__main__":
    unittest.main()
