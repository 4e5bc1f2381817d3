# SPDX-License-Identifier: Apache-2.0
"""Every relative link in README.md, SECURITY.md, CONTRIBUTING.md and docs/ leads to an existing file, and its anchor to a
heading of that page, by GitHub's rules for anchors. The last tests add broken links in memory and expect a report of each."""

import functools
import glob
import os
import posixpath
import re
import unittest
import urllib.parse

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
# [text](target "title") and ![text](target), [name]: target, and <a href="target">.
LINKS = (
    re.compile(r"\]\(\s*(?:<([^<>\n]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"),
    re.compile(r"^ {0,3}\[[^\]\n]+\]:\s*<?([^\s<>]+)>?", re.MULTILINE),
    re.compile(r"<(?:a|img)\s[^>]*?(?:href|src)\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE),
)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


@functools.lru_cache(maxsize=None)
def anchors_of(text):
    """The anchors of a page. GitHub renders a heading to plain text, lowers it, drops punctuation and replaces each blank by
    a hyphen; a repeated anchor gets a number."""
    anchors, seen = set(re.findall(r"<a\s[^>]*?(?:id|name)=\"([^\"]+)\"", text)), {}
    for heading in HEADING.findall(FENCE.sub(blank, text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors


def links_of(text):
    """Pairs of a line and a target."""
    text = CODE.sub(blank, FENCE.sub(blank, text))
    found = []
    for pattern in LINKS:
        for match in pattern.finditer(text):
            found.append((text.count("\n", 0, match.start()) + 1, next((group for group in match.groups() if group is not None), "")))
    return sorted(found)


def problem_of(page, target, pages, exists):
    """The reason why a link of a page is broken, or None."""
    if ELSEWHERE.match(target):
        return None
    path, _, anchor = target.partition("#")
    path = urllib.parse.unquote(path.partition("?")[0])
    if not target or path.startswith("/"):
        return "it is not a relative link"
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if place.startswith(".."):
        return "it leads out of the repository"
    if place not in pages and not exists(place):
        return f"{place} does not exist"
    if not anchor:
        return None
    if place not in pages:
        return f"{place} is not one of the pages, so it has no anchors"
    return None if urllib.parse.unquote(anchor) in anchors_of(pages[place]) else f"{place} has no heading with the anchor {anchor}"


def problems_of(pages, exists):
    """One line per broken link."""
    found = []
    for page, text in sorted(pages.items()):
        for line, target in links_of(text):
            problem = problem_of(page, target, pages, exists)
            if problem:
                found.append(f"{page}:{line}: {target}: {problem}")
    return found


def exists_in_tree(path):
    return os.path.exists(os.path.join(ROOT, path))


def pages_of_tree():
    paths = ["README.md", "SECURITY.md", "CONTRIBUTING.md"]
    paths += sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))
    pages = {}
    for path in paths:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            pages[path] = file.read()
    return pages


class Links(unittest.TestCase):
    maxDiff = None

    def test_every_relative_link_leads_to_a_file_and_its_anchor_to_a_heading(self):
        self.assertEqual(problems_of(pages_of_tree(), exists_in_tree), [])

    def test_every_page_of_docs_can_be_reached_from_the_readme(self):
        pages, reached, waiting = pages_of_tree(), set(), ["README.md"]
        while waiting:
            page = waiting.pop()
            if page in reached or page not in pages:
                continue
            reached.add(page)
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(page), target.partition("#")[0]))
                        for _, target in links_of(pages[page]) if not ELSEWHERE.match(target)]
        self.assertEqual(sorted(set(pages) - reached - {"CONTRIBUTING.md"}), [])


class Planted(unittest.TestCase):
    """Each kind of broken link is reported, and no valid one."""

    PAGES = {
        "README.md": "# Title\n\n## Use `it`: a_b, 50%\n\n```\n# Code\n```\n\n### Twice\n\n### Twice\n\n## A [link](docs/a.md) here ##\n",
        "docs/a.md": "# A\n\n## /api/v1/status & more\n",
        "docs/deep/b.md": "# B\n",
    }
    FILES = {"config", "config/nswarden.yaml", "docs/a.png"}

    def problems(self, page, text):
        pages = {**self.PAGES, page: self.PAGES[page] + "\n" + text + "\n"}
        return problems_of(pages, lambda path: path in self.FILES)

    def test_links_that_work_are_not_reported(self):
        for page, text in (
                ("README.md", "[a](docs/a.md), [b](docs/deep/b.md#b), [c](config), ![d](docs/a.png \"title\")"),
                ("README.md", "[a](#use-it-a_b-50), [b](#twice), [c](#twice-1), [d](#a-link-here)"),
                ("docs/a.md", "[a](../README.md#title) [`b`](deep/b.md) [c](#apiv1status--more) [d](<deep/b.md>)"),
                ("docs/deep/b.md", "[a](../a.md#a), [b](../../config/nswarden.yaml)"),
                ("docs/a.md", "[a](https://example.org/x.md#y), [b](mailto:a@example.org), <a href=\"deep/b.md\">c</a>\n\n[d]: deep/b.md#b"),
                ("docs/a.md", "`[a](missing.md)`\n\n```\n[b](missing.md)\n```\n")):
            with self.subTest(text):
                self.assertEqual(self.problems(page, text), [])

    def test_broken_links_are_reported(self):
        for page, link in (
                ("README.md", "[a](docs/missing.md)"), ("README.md", "[a](a.md)"), ("docs/a.md", "[a](docs/a.md)"),
                ("docs/a.md", "![a](missing.png)"), ("docs/a.md", "[![a](a.png)](missing.md)"), ("docs/a.md", "<img src=\"missing.png\">"),
                ("docs/a.md", "[name]: missing.md"), ("docs/a.md", "[a](missing.md \"title\")"), ("docs/a.md", "[a](<missing.md>)"),
                ("docs/a.md", "[a](../README.md#titles)"), ("docs/a.md", "[a](../README.md#Title)"), ("README.md", "[a](#code)"),
                ("README.md", "[a](#twice-2)"), ("README.md", "[a](#use-it-a-b-50)"), ("README.md", "[a](docs/a.md#title)"),
                ("README.md", "[a](config/nswarden.yaml#policies)"), ("docs/a.md", "[a](/README.md)"), ("docs/a.md", "[a](../../README.md)"),
                ("docs/a.md", "[a]()")):
            with self.subTest(link):
                self.assertEqual(len(self.problems(page, link)), 1, self.problems(page, link))

    def test_a_broken_link_in_any_page_of_the_tree_is_reported(self):
        pages = pages_of_tree()
        self.assertGreater(len(pages), 20)
        self.assertGreater(sum(len(links_of(text)) for text in pages.values()), 100)
        planted = {page: text + "\n\n[a](planted.md)\n[b](#planted)\n" for page, text in pages.items()}
        found = [problem.split(":")[0] for problem in problems_of(planted, exists_in_tree) if "planted" in problem]
        self.assertEqual(found, sorted([*pages, *pages]))

    def test_a_renamed_heading_breaks_each_link_to_it(self):
        pages = pages_of_tree()
        renamed = {**pages, "docs/configuration.md": pages["docs/configuration.md"].replace("\n## Flags\n", "\n## Options\n")}
        self.assertNotEqual(renamed, pages)
        self.assertTrue(any("configuration.md#flags" in one for one in problems_of(renamed, exists_in_tree)))


if __name__ == "__main__":
    unittest.main()
