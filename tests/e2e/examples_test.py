# SPDX-License-Identifier: Apache-2.0
"""Every example loads: the files in config/examples, and each YAML block in the pages about the configuration. Together they
show every field.

Blocks that begin with `version:` or `- netns_regex` are complete configurations; others are fragments of a policy and are
completed. Blocks of either kind whose first line is a comment with only a file path are the files that other blocks include
under that path.
"""

import glob
import json
import os
import re
import subprocess

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["configuration.md", "policies.md", "netns-names.md", "keys.md", "files.md", "commands.md", "fights.md"]
EXAMPLES = os.path.join(ROOT, "config", "examples")

BLOCK = re.compile(r"^```(yaml|ini)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"# (\S+\.(?:yaml|conf))\n")
FILES_IN_IT = re.compile(r"^(?:include|sysctl_files): \[(.*)\]", re.MULTILINE)


class Block:
    def __init__(self, kind, text, place):
        self.kind = kind
        self.text = text
        self.place = place
        path = PATH.match(text)
        self.path = path[1] if path else None

    def configuration(self):
        """The block as a complete file; its lines keep their numbers or move a few down."""
        body = self.text[self.text.index("\n") + 1:] if self.path else self.text
        if body.startswith(("version:", "- netns_regex")):
            return self.text
        lines = ["version: 1", "policies:", "  - name: example"]
        if not re.search(r"^(netns|host):", body, re.MULTILINE):
            lines.append("    netns: .*")
        if not re.search(r"^(sysctls|sysctl_files|observe|commands):", body, re.MULTILINE):
            lines.append("    sysctls: {net.ipv4.tcp_syncookies: 1}")
        return "\n".join(lines + ["    " + line if line else "" for line in body.splitlines()]) + "\n"


def blocks_of(pages):
    return [Block(match[1], match[2], f"{name}:{page.count(chr(10), 0, match.start()) + 2}")
            for name, page in pages.items() for match in BLOCK.finditer(page)]


def replaced(pages, old, new):
    return {name: page.replace(old, new) for name, page in pages.items()}


def fields_of(schema):
    """Names of all fields in the schema, except inotify's event names."""
    if isinstance(schema, list):
        return set().union(*map(fields_of, schema))
    if not isinstance(schema, dict):
        return set()
    found = set(schema.get("properties", {})) if isinstance(schema.get("properties"), dict) else set()
    return {name for name in found.union(*map(fields_of, schema.values())) if not name.startswith("IN_")}


def has_field(text, field):
    return re.search(rf"(?:^|[\s{{,]){re.escape(field)}:(?:\s|$)", re.sub(r"(?m)(^|\s)#.*$", "", text)) is not None


class Examples(harness.Case):
    def problem_of(self, path):
        """The error message of `config check` for a rejected file."""
        run = harness.run_binary("config", "check", path)
        return None if run.returncode == 0 else run.stdout + run.stderr

    def put(self, path, text):
        path = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.configure(text, path)
        return path

    def put_named(self, blocks):
        """The files that blocks include: from other blocks, or empty where the page does not show them."""
        named = {block.path: block.text for block in blocks if block.path}
        for block in blocks:
            for names in FILES_IN_IT.findall(block.text):
                for name in names.split(", "):
                    if name in named or any(path.startswith(name + "/") for path in named):
                        continue
                    named[name] = "version: 1\npolicies: []\n" if name.endswith(".yaml") else "# nothing\n"
        for path, text in named.items():
            self.put(path, text)

    def problems_of(self, pages):
        """One error per rejected block."""
        blocks = blocks_of(pages)
        self.put_named(blocks)
        problems = []
        for number, block in enumerate(blocks):
            if block.kind != "yaml":
                continue
            problem = self.problem_of(self.put(f"block-{number}.yaml", block.configuration()))
            if problem:
                problems.append(f"{block.place}: {problem}\n{block.configuration()}")
        return problems

    def missing_fields(self, pages):
        schema = json.loads(subprocess.run([harness.BINARY, "config", "schema"], check=True, stdout=subprocess.PIPE,
                                           timeout=harness.DEADLINE).stdout)
        fields = fields_of(schema)
        self.assertTrue({"netns", "sysctls", "startup", "between", "note"} <= fields, fields)
        text = "\n".join(block.text for block in blocks_of(pages) if block.kind == "yaml")
        return sorted(field for field in fields if not has_field(text, field))

    def setUp(self):
        super().setUp()
        self.pages = {}
        for name in PAGES:
            with open(os.path.join(ROOT, "docs", name), encoding="ascii") as file:
                self.pages[name] = file.read()

    def test_every_file_of_examples_is_taken(self):
        files = sorted(glob.glob(os.path.join(EXAMPLES, "*")))
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            # A copy, because a checkout may belong to any user, and files that other users may write are refused.
            with self.subTest(os.path.basename(path)), open(path, encoding="ascii") as file:
                self.assertIsNone(self.problem_of(self.put(os.path.basename(path), file.read())))

    def test_every_block_of_the_pages_is_taken(self):
        blocks = [block for block in blocks_of(self.pages) if block.kind == "yaml"]
        for name, page in self.pages.items():
            self.assertGreater(page.count("```yaml"), 0, name)
        self.assertEqual(len(blocks), sum(page.count("```yaml") for page in self.pages.values()), "a block that does not begin or end as one")
        self.assertGreater(len(blocks), 20)
        self.assertEqual(self.problems_of(self.pages), [])

    def test_a_broken_block_is_noticed(self):
        for what, good, broken in (("of a whole file", "    netns: ^qrouter-  ", "    nets: ^qrouter-  "),
                                   ("of a fragment", "net.core.somaxconn: {min: 4096,", "net.core.somaxconn: {least: 4096,"),
                                   ("of an included file", "mode: audit\npolicies:\n  - name: web", "policies:\n  - nam: web"),
                                   ("of sysctl.d", "net.ipv4.conf.*.accept_redirects = 0", "net.ipv4.conf.*.accept_redirects 0")):
            with self.subTest(what):
                self.assertEqual(sum(page.count(good) for page in self.pages.values()), 1, good)
                self.assertNotEqual(self.problems_of(replaced(self.pages, good, broken)), [])

    def test_every_field_is_in_some_block(self):
        self.assertEqual(self.missing_fields(self.pages), [])

    def test_a_field_without_an_example_is_noticed(self):
        self.assertEqual(self.missing_fields(replaced(self.pages, "between:", "max:")), ["between"])


if __name__ == "__main__":
    harness.main()
