# SPDX-License-Identifier: Apache-2.0
"""docs/kernel-facts.md and the code agree: each cited number is on the page, each fact on the page is cited or gives its
reason, each test that the page names exists, by file and by name, and each case whose own name cites a fact is listed there.
The last tests violate each rule and expect a report."""

import os
import re
import unittest

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PAGE = "docs/kernel-facts.md"
THIS = "tests/lint/kernel_facts_test.py"
CITING = ["src", "include", "tests", "cmake", "CMakeLists.txt", "docs", "packaging", "config", "scripts", "README.md", "SECURITY.md"]

# Prefixes of comment and list lines, so that a citation may continue in the next line.
LEADER = re.compile(r"\n[ \t]*(?://[/!]?<?|/?\*+|#+|--|;|>|-)?[ \t]*")
ONE = re.compile(r"\bfact (\d+)\b", re.IGNORECASE)
SEVERAL = re.compile(r"\bfacts ((?:\d+(?:,? and |, |-| to )?)+)", re.IGNORECASE)
ENTRY = re.compile(r"^- \*\*(\d+)\. ", re.MULTILINE)
MARKER = re.compile(r"\*(Test|No test|Not cited):\*\s*")
NAMED = re.compile(r'`([^`\s]+)`|"([^"]+)"')
FILE = re.compile(r"[\w./-]*\.(?:cpp|py|sh)")


def cited_in(text):
    """The numbers that a text cites: "kernel fact 5", "facts 1, 3 and 6", "facts 11-14", broken across lines or not."""
    flat = LEADER.sub(" ", text)
    numbers = {int(number) for number in ONE.findall(flat)}
    for run in SEVERAL.findall(flat):
        for first, last in re.findall(r"(\d+)(?:(?:-| to )(\d+))?", run):
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def entries_of(page):
    """{number: text in one line}; and the problems of the page's form."""
    starts = list(ENTRY.finditer(page))
    entries, problems, last = {}, [], 0
    for start, end in zip(starts, [*[after.start() for after in starts[1:]], len(page)]):
        number = int(start.group(1))
        if number <= last:
            problems.append(f"fact {number} stands after fact {last}")
        last = number
        entries[number] = " ".join(page[start.end():end].split("\n## ")[0].split())
    if sorted(entries) != list(range(1, last + 1)):
        problems.append("a number is missing on the page")
    return entries, problems


def marks_of(entry):
    """[(marker, its text)], in order."""
    parts = MARKER.split(entry)
    return list(zip(parts[1::2], parts[2::2]))


def words(name):
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def tests_in(path, text):
    """The names of the tests of a file, in words; of a file without tests, its text."""
    if path.endswith("_test.py"):
        return [words(name) for name in re.findall(r"^ +def test_(\w+)\(self", text, re.MULTILINE)]
    if path.endswith("_test.cpp"):
        literal = r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)'
        return [words("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts))) for parts in re.findall(literal, text)]
    return [words(text)]


def problems_of(page, files):
    """One line for each violation. `files`: {path: text} of all files that may cite, or be named as a test."""
    entries, problems = entries_of(page)
    cited = {}
    for path, text in files.items():
        for number in cited_in(text):
            cited.setdefault(number, path)
    problems += [f"{path}: fact {number} is not on the page" for number, path in sorted(cited.items()) if number not in entries]
    problems += [f"{PAGE}: fact {number} is not on the page" for number in sorted(cited_in(page)) if number not in entries]
    tests = {}
    for path in files:
        if path.startswith("tests/"):
            tests.setdefault(os.path.basename(path), []).append(path)
    for number, entry in entries.items():
        marks = marks_of(entry)
        markers = {marker for marker, _ in marks}
        if not markers & {"Test", "No test"}:
            problems.append(f"fact {number} names no test and gives no reason")
        if number in cited and "Not cited" in markers:
            problems.append(f"fact {number} is cited in {cited[number]}, and the page says that it is not")
        if number not in cited and "Not cited" not in markers:
            problems.append(f"fact {number} is not cited and gives no reason")
        problems += [f"fact {number} gives no reason after *{marker}:*" for marker, text in marks if len(words(text)) < 3]
        for marker, text in marks:
            problems += [f"fact {number}: {problem}" for problem in problems_of_names(marker, text, files, tests)]
    return problems + problems_of_cases(entries, files)


def problems_of_cases(entries, files):
    """A case whose own name cites a fact is listed among the tests of that fact."""
    problems = []
    for path, text in files.items():
        if not path.startswith("tests/") or not path.endswith("_test.cpp"):
            continue
        for case in tests_in(path, text):
            for number in sorted(cited_in(case) & entries.keys()):
                tests = [text for marker, text in marks_of(entries[number]) if marker == "Test"]
                if not any(words(name) in case for text in tests for _, name in NAMED.findall(text) if name):
                    problems.append(f'fact {number} does not name the case "{case}" of {path}')
    return problems


def problems_of_names(marker, text, files, tests):
    paths, named, problems = [], 0, []
    for file, name in NAMED.findall(text):
        if file and FILE.fullmatch(file):
            paths = tests.get(os.path.basename(file), [])
            if "/" in file:
                paths = [path for path in paths if path == file]
            if not paths:
                problems.append(f"no file {file} below tests")
        elif name and marker == "Test":
            named += 1
            if paths and not any(words(name) in test for path in paths for test in tests_in(path, files[path])):
                problems.append(f'{paths[0]} has no test "{name}"')
    if marker == "Test" and not named:
        problems.append("no case is named after *Test:*")
    return problems


def read_tree():
    files = {}
    for top in CITING:
        start = os.path.join(ROOT, top)
        found = [start] if os.path.isfile(start) else []
        for directory, below, names in os.walk(start):
            below[:] = [name for name in below if name not in ("corpus", "__pycache__")]
            found += [os.path.join(directory, name) for name in names]
        for path in found:
            name = os.path.relpath(path, ROOT)
            if name in (PAGE, THIS):
                continue
            try:
                with open(path, encoding="utf-8") as file:
                    files[name] = file.read()
            except UnicodeDecodeError:
                continue
    return files


def read_page():
    with open(os.path.join(ROOT, PAGE), encoding="utf-8") as file:
        return file.read()


class Page(unittest.TestCase):
    def test_every_number_exists_every_fact_is_cited_and_every_test_is_there(self):
        problems = problems_of(read_page(), read_tree())
        self.assertEqual(problems, [], "\n" + "\n".join(problems))

    def test_it_looks_at_what_there_is(self):
        files = read_tree()
        self.assertGreater(sum(1 for text in files.values() if cited_in(text)), 80)
        entries, _ = entries_of(read_page())
        self.assertGreater(len(entries), 60)
        self.assertGreater(sum(len(NAMED.findall(text)) for entry in entries.values() for _, text in marks_of(entry)), 200)


class Spellings(unittest.TestCase):
    def test_all_spellings_of_a_citation_are_read(self):
        for text, numbers in [
                ("(kernel fact 5)", {5}), ("// Kernel fact 33: as Debian builds it", {33}), ("(fact 16)", {16}),
                ("(kernel facts 1, 3, 6)", {1, 3, 6}), ("kernel facts 11 and 12)", {11, 12}), ("facts 1, 2, and 9", {1, 2, 9}),
                ("(kernel facts 5, 6, 11-14, 25). The only", {5, 6, 11, 12, 13, 14, 25}), ("kernel facts\n// 15 to 18)", {15, 16, 17, 18}),
                ("another one (kernel\n  fact 16): where", {16}), ("  /// one (kernel\n  /// fact 7)", {7}), ("# see kernel\n# facts 2 and\n# 4.", {2, 4}),
                ("(kernel facts 17\n// and 18). What", {17, 18}), ("this fact, 3 of them", set()), ("a factor 3, artefact 4", set()),
                ("as kernel fact 36 wants it", {36}), ("kernel fact 29, 30 of them", {29})]:
            with self.subTest(text):
                self.assertEqual(cited_in(text), numbers)

    def test_names_of_tests_are_read_from_both_languages(self):
        self.assertEqual(tests_in("a_test.py", "    def test_it_is_so(self):\n    def other(self):\n"), ["it is so"])
        self.assertEqual(tests_in("a_test.cpp", 'TEST_CASE(\n    "it \\"is\\" "\n    "so, and (kernel fact 1)") {'), ["it is so and kernel fact 1"])


class Planted(unittest.TestCase):
    PAGE = ("# Facts\n\n## One\n\n- **1. It is so.**\n  *Test:* `tests/netns/one_test.cpp`: \"it is\", \"and it stays\n  so\".\n"
            "- **2. So is that.** *No test:* nothing to see.\n\n## Two\n\n- **3. Nobody needs it.** *No test:* none. *Not cited:* nobody needs it.\n")
    FILES = {"tests/netns/one_test.cpp": 'TEST_CASE("it is so") {}\nTEST_CASE("and it stays so") {}', "src/os/one.cpp": "// (kernel facts 1 and 2)"}

    def found(self, page=None, **files):
        return problems_of(page or self.PAGE, {**self.FILES, **{name.replace("__", "/") + ".cpp": text for name, text in files.items()}})

    def changed(self, old, new):
        self.assertIn(old, self.PAGE)
        return self.found(self.PAGE.replace(old, new))

    def test_a_page_without_violation_has_none(self):
        self.assertEqual(self.found(), [])

    def test_a_number_that_does_not_exist_is_found(self):
        self.assertEqual(self.found(src__os__two="/// of others (kernel\n/// fact 99)"), ["src/os/two.cpp: fact 99 is not on the page"])
        self.assertEqual(self.changed("It is so.**", "It is so.** See fact 98."), [f"{PAGE}: fact 98 is not on the page"])

    def test_a_fact_that_is_not_cited_is_found(self):
        self.assertEqual(self.found(src__os__one="// (kernel fact 1)"), ["fact 2 is not cited and gives no reason"])

    def test_a_fact_that_is_cited_after_all_is_found(self):
        self.assertEqual(self.found(src__os__two="// (fact 3)"), ["fact 3 is cited in src/os/two.cpp, and the page says that it is not"])

    def test_a_test_that_does_not_exist_is_found(self):
        self.assertEqual(self.changed('"it is"', '"it is not"'), ['fact 1: tests/netns/one_test.cpp has no test "it is not"'])
        self.assertEqual(self.changed("one_test.cpp", "two_test.cpp"), ["fact 1: no file tests/netns/two_test.cpp below tests"])
        self.assertEqual(self.changed("netns/one_test.cpp", "e2e/one_test.cpp"), ["fact 1: no file tests/e2e/one_test.cpp below tests"])
        self.assertEqual(self.changed("tests/netns/one_test.cpp", "one_test.cpp"), [])
        self.assertEqual(self.changed("nothing to see", "see `nothing_test.py`"), ["fact 2: no file nothing_test.py below tests"])

    def test_a_case_that_cites_a_fact_and_is_not_named_there_is_found(self):
        self.assertEqual(self.found(tests__netns__two_test='TEST_CASE("it is not (kernel fact 2)") {}'),
                         ['fact 2 does not name the case "it is not kernel fact 2" of tests/netns/two_test.cpp'])
        self.assertEqual(self.found(tests__netns__two_test='TEST_CASE("it is so (kernel fact 1)") {}'), [])

    def test_a_fact_without_a_test_or_a_reason_is_found(self):
        self.assertEqual(self.changed("*No test:* nothing to see.", ""), ["fact 2 names no test and gives no reason"])
        self.assertEqual(self.changed("*No test:* nothing to see.", "*No test:*"), ["fact 2 gives no reason after *No test:*"])
        self.assertEqual(self.changed("*No test:* nothing to see.", "*Test:* `one_test.cpp`."), ["fact 2: no case is named after *Test:*"])

    def test_a_number_that_is_left_out_or_out_of_order_is_found(self):
        self.assertEqual(self.changed("- **3.", "- **4."), ["a number is missing on the page", "fact 4 is not cited and gives no reason"][:1])
        self.assertEqual(self.changed("- **2.", "- **1.")[:2], ["fact 1 stands after fact 1", "a number is missing on the page"])


if __name__ == "__main__":
    unittest.main()
