# SPDX-License-Identifier: Apache-2.0
"""docs/log-messages.md and the log calls of src/, compared in both directions: messages, levels and fields. The end-to-end tests compare each
line that a daemon writes with the page (tests/e2e/log_page.py)."""

import collections
import glob
import os
import re
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.append(os.path.join(ROOT, "tests/e2e"))

import log_page

CALL = re.compile(r"\b(?:log_?\.(debug|info|warn|error|limited|write)|(format_line|use_configuration))\(")
MESSAGE_AT = {"limited": 2, "write": 1, "format_line": 2}  # position of the argument
STRING = r'"((?:\\.|[^"\\])*)"'


def arguments(text, begin):
    """The arguments of a call, as texts; `begin` is behind its opening parenthesis."""
    depth, parts, at = 0, [""], begin
    while depth >= 0:
        token = re.compile(rf"{STRING}|'(?:\\.|.)'|.", re.DOTALL).match(text, at)[0]
        at += len(token)
        depth += (token in "([{") - (token in ")]}")
        if token == "," and depth == 0:
            parts.append("")
        elif depth >= 0:
            parts[-1] += token
    return parts


def of_source(text):
    """Pairs of a message and (levels, fields); levels are empty where a variable has them."""
    variables = dict(re.findall(r'LogField (\w+)\{"(\w+)"', text))
    writer = re.findall(r'\{"(writer\w*)"', text)
    for call in CALL.finditer(text):
        function = call[1] or call[2]
        parts = arguments(text, call.end())
        at = MESSAGE_AT.get(function, 0)
        fields = ",".join(parts[at + 1:])
        names = re.findall(r'\{"(\w+)"', fields) + [variables[word] for word in re.findall(r"\w+", fields) if word in variables]
        if function == "use_configuration":
            function, names = "info", ["source", "policies", "settings"]
        levels = re.findall(r"LogLevel::(\w+)", ",".join(parts[:at])) or [function] * (function in log_page.LEVELS)
        if "level(" in ",".join(parts[:at]):
            levels.append("debug")
        if "with_writer" in fields:
            names += writer
        for message in re.findall(STRING, parts[at]):
            yield message, (set(levels), set(names))


class LogMessages(unittest.TestCase):
    def setUp(self):
        self.page = log_page.read()
        self.source = collections.defaultdict(lambda: (set(), set()))
        for path in glob.glob(os.path.join(ROOT, "src/**/*.cpp"), recursive=True):
            with open(path, encoding="utf-8") as file:
                for message, (levels, fields) in of_source(file.read()):
                    self.source[message][0].update(levels)
                    self.source[message][1].update(fields)

    def test_each_message_of_the_source_is_in_the_page_and_the_other_way_round(self):
        self.assertGreater(len(self.source), 50)
        self.assertEqual(sorted(self.source), sorted(self.page))

    def test_levels_and_fields_are_those_of_the_source(self):
        for message, (levels, fields) in self.source.items():
            with self.subTest(message):
                if levels:
                    self.assertEqual(levels, set(self.page[message].levels))
                self.assertEqual(fields, set(self.page[message].fields))

    def test_calls_are_found_with_their_parts(self):
        text = '''log_.limited("t", level(LogLevel::warn), "a, (b", with_writer({key, {"x", f("y")}}));
                  const LogField key{"key", k}; {{"writer", w}}; parts_.log.info(one ? "c" : "d", {{"z", z}});'''
        self.assertEqual(list(of_source(text)), [("a, (b", ({"warn", "debug"}, {"key", "x", "writer"})),
                                                 ("c", ({"info"}, {"z"})), ("d", ({"info"}, {"z"}))])

    def test_a_line_that_the_page_does_not_list_is_a_problem(self):
        good = {"ts": "t", "level": "info", "msg": "netns gone", "netns": "a", "left_out": "3"}
        self.assertIsNone(log_page.problem(good))
        for change in ({"level": "warn"}, {"msg": "netns vanished"}, {"more": "x"}):
            self.assertIsNotNone(log_page.problem({**good, **change}), change)


if __name__ == "__main__":
    unittest.main()
