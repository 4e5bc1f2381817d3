# SPDX-License-Identifier: Apache-2.0
"""The man pages, the completions of bash and zsh, and the reference pages in docs/ list the commands, flags and fields of
the binary. The last tests change each of these in turn and expect the difference to be reported."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import cli_help
from comparisons import completion_differences, docs_differences, page_differences, yaml_differences
from line_editor import Shell
from pages import MAN, MAN_YAML, ROOT, examples, read, read_reference

SCRIPTS = {"bash": "packaging/completions/nswarden.bash", "zsh": "packaging/completions/_nswarden"}
HOSTILE = ["qr-1", "qr-2", "$(touch pwned)", "`touch pwned`", "it's", "a b", 'say "x"', "*"]


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.commands = cli_help.ask()
        cls.schema = json.loads(cli_help.run("config", "schema"))

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"needs {program}")

    def shell(self, kind, change=("", ""), before=""):
        """With the modified completion in self.directory."""
        self.need(kind)
        script = os.path.join(tempfile.mkdtemp(dir=self.directory), os.path.basename(SCRIPTS[kind]))
        text = read(SCRIPTS[kind])
        self.assertIn(change[0], text)
        with open(script, "w", encoding="utf-8") as file:
            file.write(text.replace(*change, 1))
        shell = Shell(kind, script, self.directory, before)
        self.addCleanup(shell.close)
        return shell


def in_each_shell(before=""):
    def decorate(test):
        @functools.wraps(test)
        def decorated(self):
            for kind in SCRIPTS:
                with self.subTest(kind):
                    test(self, self.shell(kind, before=before))

        return decorated

    return decorate


class Pages(Case):
    def test_nswarden_1_has_each_command_and_flag_with_its_value_and_default(self):
        self.assertEqual(page_differences(self.commands, read(MAN)), [])

    def test_nswarden_1_shows_no_flag_in_an_example_that_there_is_not(self):
        page = read(MAN).replace("\\-", "-").replace("\\e\n", "")
        shown = re.findall(r"^(?:\.Dl )?\$ nswarden (.*)", page, re.MULTILINE)
        self.assertGreater(len(shown), 6)
        for line in shown:
            words = line.split()
            name = next(name for name in (" ".join(words[:2]), words[0]) if name in self.commands)
            for flag in re.findall(r"--([a-z.-]+)", line):
                self.assertIn(flag, self.commands[name].flags)

    def test_the_tables_of_the_reference_have_the_flags_of_run_and_status(self):
        self.assertEqual(docs_differences(self.commands, read_reference()), [])

    def test_nswarden_yaml_5_has_each_field_with_its_type_and_default(self):
        self.assertEqual(yaml_differences(self.schema, read(MAN_YAML), read_reference()), [])

    def test_the_examples_of_nswarden_yaml_5_are_configurations(self):
        os.mkdir(os.path.join(self.directory, "policies.d"))
        path = os.path.join(self.directory, "nswarden.yaml")
        shown = examples(read(MAN_YAML))
        self.assertGreater(len(shown), 3)
        for text in shown:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.assertIn("ok", cli_help.run("config", "check", path))

    def test_mandoc_has_nothing_to_say_of_the_pages(self):
        self.need("mandoc")
        for page in (MAN, MAN_YAML):
            done = subprocess.run(["mandoc", "-T", "lint", os.path.join(ROOT, page)], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False, encoding="utf-8")
            said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]  # it may not be installed
            self.assertEqual(said, [])

    def test_groff_renders_the_pages_without_a_warning(self):
        self.need("groff")
        for page in (MAN, MAN_YAML):
            done = subprocess.run(["groff", "-ww", "-mandoc", "-Tutf8", os.path.join(ROOT, page)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False, encoding="utf-8")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("EXAMPLES", re.sub(".\b", "", done.stdout))


class Completions(Case):
    def make(self, *names):
        for name in names:
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8"):
                pass

    @in_each_shell()
    def test_they_offer_each_command_flag_and_known_value(self, shell):
        self.assertEqual(completion_differences(shell, self.commands), [])

    @in_each_shell()
    def test_flags_and_addresses_before_a_word_are_no_hindrance(self, shell):
        for line, rest in (("status --url=http://[::1]:2 --ev", "--events"), ("status --url http://[::1]:2 --ev", "--events"),
                           ("--config.file x=y:z che", "check"), ("--log.level=info config --help che", "check")):
            self.assertEqual({word.removesuffix("=") for word in shell.complete(f"nswarden {line}")}, {rest}, line)

    @in_each_shell()
    def test_names_of_netns_are_those_of_the_directories_given_and_nothing_in_them_is_run(self, shell):
        netns, others = os.path.join(self.directory, "netns"), os.path.join(self.directory, "others")
        self.make(*(f"netns/{name}" for name in HOSTILE), "others/qr-9")
        for line in (f"check --netns.dir={netns} ", f"--netns.dir={netns} apply --all ", f"explain --netns.dir {netns} "):
            self.assertEqual(shell.complete(f"nswarden {line}"), set(HOSTILE), line)
        self.assertEqual(shell.complete(f"nswarden check --netns.dir={netns} --output=json q"), {"qr-1", "qr-2"})
        self.assertEqual(shell.complete(f"nswarden check --netns.dir={netns} --netns.dir={others} /"), {os.path.join(others, "qr-9")})
        self.assertEqual(shell.complete(f"nswarden explain --netns.dir={netns} qr-1 qr"), set())
        self.assertFalse(os.path.exists(os.path.join(self.directory, "pwned")))

    @unittest.skipIf(os.geteuid() != 0, "needs root, for a /run of its own")
    @in_each_shell("mount -t tmpfs tmpfs /run; mkdir /run/netns; touch /run/netns/qrouter-1 /run/netns/qrouter-2")
    def test_without_a_directory_they_are_those_of_run_netns(self, shell):
        for command in ("check", "apply", "explain", "status"):
            self.assertEqual(shell.complete(f"nswarden {command} "), {"qrouter-1", "qrouter-2"})

    @in_each_shell()
    def test_files_are_offered_where_a_file_is_meant(self, shell):
        names = {"policy-1.yaml", "policy two.yaml", "policy:3=x.yaml"}
        self.make(*names)
        for line in ("run --config.file=", "run --config.file ", "config check ", "config convert ", "status --tls.ca-file=",
                     "run --web.config.file ", "apply --restore.file="):
            self.assertEqual(shell.complete(f"nswarden {line}policy"), names, line)


class Differences(Case):
    """Each comparison reports its kind of difference."""

    def assert_found(self, compare, text, changes):
        for old, new in changes:
            self.assertIn(old, text)
            self.assertNotEqual(compare(text.replace(old, new, 1)), [], (old, new))

    def test_in_nswarden_1(self):
        self.assert_found(lambda page: page_differences(self.commands, page), read(MAN), [
            (".It Fl \\-all\n", ".It Fl \\-everything\n"), (".Ss nswarden status", ".Ss nswarden state"), ("Default: 5s.", "Default: 6s."),
            ("Default: /run/netns.\n", ""), ("Ns = Ns Ar LEVEL", "Ns = Ns Ar WORD"), (".It Fl \\-dry\\-run\n", ""),
            (".It Fl \\-audit\n", ".It Fl \\-audit Ns = Ns Ar N\n"), ("\n.Sx Common options .", ""), (".Ar NETNS\n.Op Ar KEY", ".Ar NETNS")])

    def test_in_the_reference(self):
        self.assert_found(lambda document: docs_differences(self.commands, document), read_reference(), [
            ("| `--audit` |", "| `--watch` |"), ("| `--repair.window` | `10s`", "| `--repair.window` | `11s`"),
            ("| `--events` | `10`", "| `--events` | `1`"), ("| `--config.file` | `/etc", "| `--config.file` | `/usr")])

    def test_in_nswarden_yaml_5(self):
        page, document = read(MAN_YAML), read_reference()
        self.assert_found(lambda page: yaml_differences(self.schema, page, document), page, [
            (".It Cm exclude :", ".It Cm except :"), (": Ar duration", ": Ar number"), ("Default: 10s.", "Default: 20s."),
            ("Required.\n", ""), ("IN_MOVE_SELF", "IN_MOVE_SELVES"), (".It Cm note : Ar text", ".It Cm remark : Ar text"),
            (".It Cm startup : Ar list", ".It Cm start : Ar list"), ("enforce | audit", "enforce"), ("Default: all.\n", "")])
        self.assert_found(lambda document: yaml_differences(self.schema, page, document), document, [
            ("| `command_timeout` | `30s`", "| `command_timeout` | `3s`")])
        self.assert_found(lambda text: yaml_differences(json.loads(text), page, document), json.dumps(self.schema), [
            ('"follow_links": {', '"follow_link": {'), ('"required": ["version", "policies"]', '"required": ["version"]'),
            ('"follow_links": {', '"follow_links": {"default": true, ')])

    def test_in_completions(self):
        for kind, command, old, new in (
                ("bash", "", "status healthcheck config", "healthcheck config"), ("bash", "config", "schema events", "schema events words"),
                ("bash", "run", "--metrics.per-netns", "--metrics.all"), ("bash", "run", "--lock.file=", "--lock.file"),
                ("bash", "check", "debug info warn", "debug info"), ("bash", "config check", "--live ", ""),
                ("zsh", "", "'status:", "'state:"), ("zsh", "run", "--metrics.per-netns", "--metrics.all"),
                ("zsh", "check", "'--output=[format of the report]:format:(table json)'", "'--output=:format:(table)'")):
            with self.subTest(kind, command=command, old=old):
                self.assertNotEqual(completion_differences(self.shell(kind, (old, new)), {command: self.commands[command]}), [])


if __name__ == "__main__":
    if not cli_help.BINARY:
        sys.exit("NSWARDEN_BINARY must name the built binary")
    unittest.main()
