# SPDX-License-Identifier: Apache-2.0
"""Checks the structure of include/ and src/: dependencies between rooms, include cycles, public headers, classes in one
source file, and the files in which libraries and dangerous calls may be used. Each rule is then violated in memory, to prove
that it can fail. `rooms_test.py --figures` prints the sizes that docs/architecture.md quotes."""

import collections
import functools
import os
import re
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

# Each room with the rooms that it may use: CMakeLists.txt links the same.
ROOMS = {
    "base": "",
    "policy": "base",
    "os": "base",
    "engine": "base policy",
    "config": "base os policy",
    "netns": "base os policy engine",
    "report": "base os policy engine netns",
    "commands": "base os policy engine report",
    "restore": "base os policy engine report",
    "web": "base os config engine report",
    "daemon": "base os policy config engine netns report commands restore web",
    "cli": "base os policy config engine netns report commands restore web daemon",
}
ARROWS = {room: set(uses.split()) for room, uses in ROOMS.items()}

FILE = re.compile(r"(?:src|include/nswarden)/(?:(\w+)/)?(?:\w+/)*(\w+)\.(?:cpp|hpp|h)$")
INCLUDE = re.compile(r'^# *include *[<"]([^>"]+)[>"]', re.MULTILINE)
SYSTEM_CALLS = r"# *include *<(?:(?:sys|linux|net|netinet|arpa|asm)/|[a-z0-9_]+\.h>)"
THREADS_AND_FILES = (r"# *include *<(?:thread|mutex|shared_mutex|condition_variable|future|atomic|semaphore|iostream|fstream|filesystem|"
                     r"cstdio|csignal|random|ctime)>")
CLOCK = r"_clock::now|[^a-z_:](?:time|clock_gettime|gettimeofday) ?\(|getenv"
PURE = "base policy engine"

# Rule, pattern, rooms that it applies to, excepted files.
CODE_RULES = [
    ("a pure room calls the kernel", SYSTEM_CALLS, PURE + " config", "src/config/configuration.cpp"),
    ("a pure room has a thread, file or terminal", THREADS_AND_FILES, PURE + " config", "src/config/configuration.cpp"),
    ("a pure room reads a clock or the environment", CLOCK, PURE + " config", ""),
    ("setns outside its file", r"[^a-z_]setns ?\(", " ".join(ROOMS), "src/netns/netns_scope"),
    ("yaml-cpp outside its file", r"# *include *<yaml-cpp/|YAML::", " ".join(ROOMS), "src/config/yaml_tree"),
    ("RE2 outside its file", r"# *include *<re2/|RE2::", " ".join(ROOMS), "src/policy/pattern"),
    ("CLI11 outside its file", r"# *include *<CLI/|CLI::", " ".join(ROOMS), "src/cli/options"),
    ("prometheus-cpp outside its files", r"# *include *<prometheus/|prometheus::", " ".join(ROOMS), "src/report/(?:metrics|gauges)"),
    ("CivetWeb outside its files", r"# *include *<civetweb", " ".join(ROOMS), "src/web/(?:web_server|tls)"),
    ("libmnl outside its files", r"# *include *<libmnl/", " ".join(ROOMS), "src/netns/(?:link_watcher|netns_ids)"),
    ("zlib outside its file", r"# *include *<zlib", " ".join(ROOMS), "src/web/gzip"),
    ("OpenSSL outside its files", r"# *include *<openssl/", " ".join(ROOMS), "src/base/sha256|src/web/(?:tls|basic_auth)|src/cli/http_client"),
    ("a system call above the rooms that wrap it",
     r"# *include *<(?:sys/(?:syscall|mount|vfs|statfs|inotify|fanotify)|linux/[a-z_]+|sched)\.h>|[^a-z_]syscall ?\(",
     "report restore web daemon cli", ""),
    ("os or netns writes to the terminal", r"# *include *<iostream>|[^a-z_](?:f?printf|perror|syslog) ?\(", "os netns", ""),
]


def read_sources():
    sources = {}
    for top in ("src", "include"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".cpp", ".hpp", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        sources[os.path.relpath(path, ROOT)] = file.read()
    return sources


def room_of(path):
    return FILE.match(path)[1]  # None for src/main.cpp


def unit_of(path):
    """A source with its header."""
    return FILE.match(path)[1], FILE.match(path)[2]


@functools.cache
def code_of(text):
    """The text with its comment lines blank."""
    return re.sub(r"^\s*(?://|\*).*$", "", text, flags=re.MULTILINE)


@functools.cache
def hits(pattern, text):
    """Pairs of line number and line that match in code."""
    code = code_of(text)
    if not re.search(pattern, "\n" + code):
        return []
    return [(number, line) for number, line in enumerate(code.splitlines(), 1) if re.search(pattern, " " + line)]


@functools.cache
def names_included(text):
    return INCLUDE.findall(text)


def includes(sources):
    """Each file with the files of the project that it includes."""
    found = {}
    for path, text in sources.items():
        names = names_included(text)
        found[path] = [top + name for name in names for top in ("src/", "include/") if top + name in sources]
    return found


def cycles(graph):
    """Groups of nodes that reach each other (Tarjan's strongly connected components), each sorted."""
    index, low, stack, groups = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1 or node in graph[node]:
                groups.append(sorted(group, key=str))

    for node in sorted(graph, key=str):
        if node not in index:
            visit(node)
    return groups


def class_sources(sources):
    """Each class with the source files that define its member functions, except classes in anonymous namespaces."""
    found = collections.defaultdict(set)
    for path, text in sources.items():
        if path.endswith(".cpp"):
            for match in re.finditer(r"^(?!  |using |namespace |#|//)[^=;\n(]*?\b((?:[A-Z]\w*::)+)~?\w+\(", text, re.MULTILINE):
                found[match[1].split("::")[0]].add(path)
    declared = set(re.findall(r"^(?:class|struct) (\w+)", "\n".join(text for path, text in sources.items() if path.endswith(".hpp")), re.MULTILINE))
    return {name: paths for name, paths in found.items() if name in declared}


def missing_files(page):
    """Source files, tests and scripts that a page names, by their whole path or its end, and that are not in the tree."""
    tree = []
    for top in ("src", "include", "tests", "docs", "scripts", "dashboards", "packaging", "config"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            tree += ["/" + os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    named = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:cpp|hpp|h|py|svg))`", page)
    return [name for name in named if not any(path.endswith("/" + name) for path in tree)]


def problems(sources):
    found = []
    graph = includes(sources)
    for path, others in graph.items():
        room = room_of(path)
        for other in others:
            if room and room_of(other) != room and room_of(other) not in ARROWS[room]:
                found.append(f"arrow: {path} includes {other}, which {room} may not use")
            if room_of(other) != room and other.startswith("src/"):
                found.append(f"door: {path} includes {other}, which is private to its room")
    users = collections.defaultdict(set)
    for path, others in graph.items():
        for other in others:
            users[other].add(room_of(path))
    for path in sources:
        if path.startswith("include/") and not users[path] - {room_of(path)}:
            found.append(f"door: {path} is included by its own room alone, so it belongs beside its source")
    units = collections.defaultdict(set)
    for path, others in graph.items():
        units[unit_of(path)] |= {unit_of(other) for other in others} - {unit_of(path)}
    found += [f"cycle: {' '.join(f'{room}/{name}' for room, name in group)}" for group in cycles(units)]
    found += [f"cycle: {' '.join(group)}" for group in cycles(graph)]
    for name, paths in class_sources(sources).items():
        if len(paths) > 1:
            found.append(f"class: {name} has member functions in {' and '.join(sorted(paths))}")
    for rule, pattern, rooms, except_for in CODE_RULES:
        for path, text in sources.items():
            if room_of(path) not in rooms.split() or (except_for and re.match(f"(?:{except_for})\\.", path)):
                continue
            found += [f"{rule}: {path}:{number}: {line.strip()}" for number, line in hits(pattern, text)]
    return found


class Rooms(unittest.TestCase):
    def test_every_rule_holds(self):
        self.assertEqual(problems(read_sources()), [])

    def test_every_rule_finds_what_breaks_it(self):
        planted = [
            ("arrow: ", "src/engine/planted.cpp", "#include <nswarden/os/fd.hpp>\n"),
            ("arrow: ", "include/nswarden/policy/policy.hpp", '#include <nswarden/report/log.hpp>\n'),
            ("arrow: ", "src/restore/planted.cpp", "#include <nswarden/config/config.hpp>\n"),
            ("door: ", "src/daemon/planted.cpp", '#include "web/tls.hpp"\n'),
            ("door: ", "include/nswarden/web/planted.hpp", "struct Planted {};\n"),
            ("cycle: ", "include/nswarden/base/result.hpp", "#include <nswarden/base/text.hpp>\n"),
            ("class: ", "src/daemon/planted.cpp", "void Loop::planted() {}\n"),
            ("a pure room calls the kernel: ", "src/engine/planted.cpp", "#include <unistd.h>\n"),
            ("a pure room calls the kernel: ", "src/config/planted.cpp", "#include <sys/stat.h>\n"),
            ("a pure room has a thread", "src/policy/planted.cpp", "#include <mutex>\n"),
            ("a pure room reads a clock", "src/engine/planted.cpp", "auto t = std::chrono::steady_clock::now();\n"),
            ("a pure room reads a clock", "src/base/planted.cpp", 'auto v = std::getenv("HOME");\n'),
            ("setns outside", "src/os/planted.cpp", "  if (::setns(fd, CLONE_NEWNET) != 0) return;\n"),
            ("yaml-cpp outside", "src/config/planted.cpp", "#include <yaml-cpp/yaml.h>\n"),
            ("RE2 outside", "src/config/planted.cpp", "#include <re2/re2.h>\n"),
            ("CLI11 outside", "src/daemon/planted.cpp", "#include <CLI/CLI.hpp>\n"),
            ("prometheus-cpp outside", "src/web/planted.cpp", "#include <prometheus/registry.h>\n"),
            ("CivetWeb outside", "src/report/planted.cpp", "#include <civetweb.h>\n"),
            ("libmnl outside", "src/netns/planted.cpp", "#include <libmnl/libmnl.h>\n"),
            ("zlib outside", "src/web/planted.cpp", "#include <zlib.h>\n"),
            ("OpenSSL outside", "src/web/planted.cpp", "#include <openssl/ssl.h>\n"),
            ("a system call above", "src/daemon/planted.cpp", "#include <sys/inotify.h>\n"),
            ("os or netns writes", "src/os/planted.cpp", '  std::fprintf(stderr, "x");\n'),
        ]
        sources = read_sources()
        rules = {line[0] for line in CODE_RULES}
        for rule, path, text in planted:
            broken = {**sources, path: sources.get(path, "") + text}
            new = [line for line in problems(broken) if line.startswith(rule)]
            self.assertTrue(new, f"{rule} does not find {text!r} in {path}")
            rules = {one for one in rules if not one.startswith(rule.rstrip(": "))}
        self.assertEqual(rules, set(), "rules without a planted violation")

    def test_every_file_is_in_a_room(self):
        for path in read_sources():
            self.assertTrue(path == "src/main.cpp" or room_of(path) in ROOMS, path)

    def test_pages_name_files_that_are_there(self):
        self.assertEqual(missing_files("`engine/planted.cpp`, `visit.cpp`, `src/engine/visit.hpp`, `tests/e2e/planted_test.py`"),
                         ["engine/planted.cpp", "tests/e2e/planted_test.py"])
        for page in ("docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md", "docs/performance.md", "docs/kernel-facts.md"):
            with open(os.path.join(ROOT, page), encoding="utf-8") as file:
                self.assertEqual(missing_files(file.read()), [], page)

    def test_cmake_links_these_arrows(self):
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            text = file.read()
        linked = {match[1]: set((match[2] or "").split()) for match in re.finditer(r"^nswarden_room\((\w+)(?: ROOMS ([a-z ]+))?", text, re.MULTILINE)}
        self.assertEqual(linked, ARROWS)


def print_figures():
    sources = read_sources()
    units = collections.defaultdict(int)
    rooms = collections.Counter()
    for path, text in sources.items():
        units[unit_of(path)] += text.count("\n")
        rooms[room_of(path)] += text.count("\n")
    lines = {path: text.count("\n") for path, text in sources.items()}
    print(f"files {len(sources)}, units {len(units)}, lines {sum(lines.values())}")
    print(f"files under 40 lines: {sum(n < 40 for n in lines.values())}; over 400: {[p for p, n in lines.items() if n > 400]}")
    print(f"units under 40 lines: {sorted(f'{room}/{name}' for (room, name), n in units.items() if n < 40)}")
    print("lines by room:", dict(rooms.most_common()))
    arrows = collections.Counter()
    for path, others in includes(sources).items():
        for other in others:
            arrows[(room_of(path), room_of(other))] += 1
    print("inside:", {a: n for (a, b), n in arrows.items() if a == b})
    print("between:", sum(n for (a, b), n in arrows.items() if a != b), "includes on", sum(a != b for a, b in arrows), "arrows")


if __name__ == "__main__":
    if "--figures" in sys.argv:
        print_figures()
    else:
        unittest.main()
