# SPDX-License-Identifier: Apache-2.0
"""Counts five habits of wording that make prose hard to read, per 1,000 words of each kind of text as a whole, and fails above the limits below:
headless clauses ("what is kept"), relative pronouns for persons and things ("whoever"), "tell", "somebody", "is no". Prose is comments, pages
and messages (strings of src/ and include/ with three words), without code and quotations. `english_test.py --rates` prints the rates; `--list` each
place."""

import collections
import os
import re
import sys
import tokenize
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")

HABITS = {
    "what": r"what",
    "who": r"who|whoever|whatever|whom",
    "tell": r"tell|tells|told",
    "somebody": r"somebody|nobody",
    "is no": r"(?:is|are) (?:no|none)",
}
# Per 1,000 words.
LIMITS = {
    "comments": {"what": 1.5, "who": 0.5, "tell": 0.5, "somebody": 0.2, "is no": 1.4},
    "messages": {"what": 1.5, "who": 0.5, "tell": 0.5, "somebody": 0.2, "is no": 1.4},
    "docs": {"what": 3, "who": 1, "tell": 0.5, "somebody": 0.2, "is no": 1.4},
}

CPP_TOKEN = re.compile(r'//(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/|R"(?P<tag>\w*)\(.*?\)(?P=tag)"|"(?P<string>(?:\\.|[^"\\\n])*)"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


FOLDERS = ("cmake", "config", "dashboards", "docs", "include", "packaging", "scripts", "src", "tests")


def files():
    """Paths below the root, in a fixed order."""
    found = sorted(name for name in os.listdir(ROOT) if os.path.isfile(os.path.join(ROOT, name)))
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = sorted(name for name in folders if name not in ("corpus", "__pycache__"))
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in sorted(names)]
    return found


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def without_code(text):
    """The text with code and quotations as blanks, so that places stay what they are."""
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r"```.*?```|`[^`\n]*`", blank, text, flags=re.DOTALL)
    return re.sub(r'"[^"\n]*"|\]\([^)\n]*\)|<[^>\n]*>', blank, text)


def of_cpp(path, text):
    """Pairs of a kind and (path, line, prose)."""
    for match in CPP_TOKEN.finditer(text):
        line = line_of(text, match.start())
        comment = match["line"] if match["line"] is not None else match["block"]
        if comment is not None and "SPDX" not in comment and "NOLINT" not in comment:
            yield "comments", (path, line, without_code(comment))
        elif match["string"] and path.startswith(("src/", "include/")) and len(re.findall(r"[A-Za-z]{2,}", match["string"])) >= 3:
            yield "messages", (path, line, re.sub(r"\{[^}]*\}|\\.", " ", match["string"]))


def of_hash_comments(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*#(?!!)(.*)|.*?\s#\s(.*)", line)
        if match and "SPDX" not in line:
            yield "comments", (path, number, without_code(match[1] or match[2] or ""))


def of_python(path, text):
    try:
        with open(os.path.join(ROOT, path), "rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
    except (tokenize.TokenError, SyntaxError):
        return
    before = tokenize.NEWLINE
    for token in tokens:
        if token.type == tokenize.COMMENT and "SPDX" not in token.string:
            yield "comments", (path, token.start[0], without_code(token.string.lstrip("#")))
        elif token.type == tokenize.STRING and before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.ENCODING, tokenize.NL):
            yield "comments", (path, token.start[0], without_code(token.string.strip('"')))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type


def of_page(path, text):
    for number, line in enumerate(without_code(text).splitlines(), 1):
        yield "docs", (path, number, line)


def prose():
    found = collections.defaultdict(list)
    for path in files():
        if path == "tests/lint/english_test.py":
            continue
        reader = None
        if path.endswith((".cpp", ".hpp", ".h", ".c")):
            reader = of_cpp
        elif path.endswith(".py"):
            reader = of_python
        elif path.endswith((".md", ".1", ".5")):
            reader = of_page
        elif path.endswith((".cmake", "CMakeLists.txt", ".sh", ".yaml")) or path.startswith("scripts/"):
            reader = of_hash_comments
        if reader:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                for kind, place in reader(path, file.read()):
                    found[kind].append(place)
    return found


def count(places):
    words = sum(len(re.findall(r"[A-Za-z][A-Za-z']*", text)) for _, _, text in places)
    hits = {habit: [(path, line, text.strip()) for path, line, text in places for _ in re.findall(rf"(?i)\b(?:{pattern})\b", text)]
            for habit, pattern in HABITS.items()}
    return words, hits


class English(unittest.TestCase):
    def test_no_kind_of_text_has_more_of_a_habit_than_its_limit(self):
        found = prose()
        for kind, limits in LIMITS.items():
            words, hits = count(found[kind])
            self.assertGreater(words, 5000, kind)
            for habit, limit in limits.items():
                with self.subTest(f"{kind}: {habit}"):
                    rate = 1000 * len(hits[habit]) / words
                    self.assertLessEqual(rate, limit, "\n" + "\n".join(f"{path}:{line}: {text}" for path, line, text in hits[habit]))

    def test_each_habit_is_found_in_each_kind_of_text(self):
        sentence = "Somebody, whoever it is, is told what is no use."
        texts = {
            "x.cpp": (of_cpp, f'int what = 0;  // {sentence}\nconst char* text = "who";\n'),
            "src/x.cpp": (of_cpp, f'int what = 0;\nconst char* text = "{sentence}";\n'),
            "x.sh": (of_hash_comments, f"what=1\n# {sentence}\n"),
            "x.md": (of_page, f"`what` and \"whoever\"\n{sentence}\n"),
        }
        for path, (reader, text) in texts.items():
            with self.subTest(path):
                _, hits = count([place for _, place in reader(path, text)])
                self.assertEqual({habit: len(found) for habit, found in hits.items()}, dict.fromkeys(HABITS, 1))


if __name__ == "__main__":
    if "--list" in sys.argv or "--rates" in sys.argv:
        for kind, places in prose().items():
            words, hits = count(places)
            print(kind, words, "words:", {habit: f"{1000 * len(found) / words:.1f} ({len(found)})" for habit, found in hits.items()})
            if "--list" in sys.argv:
                for habit, found in hits.items():
                    for path, line, text in found:
                        print(f"{path}:{line}: {habit}: {text}")
    else:
        unittest.main()
