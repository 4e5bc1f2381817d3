# SPDX-License-Identifier: Apache-2.0
"""Commands, flags and fields are what the binary says, in the man pages, in the completions of bash and zsh, and in
docs/configuration.md. The last tests change each of these in turn and see that the difference is found."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import told
from line_editor import Shell
from pages import CONFIGURATION, MAN, MAN_YAML, ROOT, examples, read, rows, sections

# They may be in the pages before they are in the binary.
COMING_COMMANDS, COMING_FIELDS = {"healthcheck"}, {"capabilities"}
SCRIPTS = {"bash": "packaging/completions/nswarden.bash", "zsh": "packaging/completions/_nswarden"}
HOSTILE = ["qr-1", "qr-2", "$(touch pwned)", "`touch pwned`", "it's", "a b", 'say "x"', "*"]
# Of a type that the schema has under a name of its own, what a man page calls it. A list of words stands for itself.
TYPES = {
    "version": "1", "paths": "path or list of paths", "directories": "list of absolute paths", "boolean": "boolean", "duration": "duration",
    "budget": "number", "policies": "list of policies", "name": "text", "note": "text", "pattern": "pattern",
    "patterns": "pattern or list of patterns", "sysctls": "map of settings", "keys": "list of keys", "commands": "map", "value": "value",
    "bound": "numbers", "pair": "list of two numbers", "values": "list of values", "command_list": "list of commands",
    "events": "map from events to lists of commands",
}


def differences(what, ours, theirs):
    """Ours is what the binary says."""
    if isinstance(ours, dict):
        lines = [f"{what}: {key} is {theirs[key]}, not {ours[key]}" for key in ours if key in theirs and ours[key] != theirs[key]]
    else:
        lines = []
    lines += [f"{what} lacks {key}" for key in ours if key not in theirs]
    return lines + [f"{what} invents {key}" for key in theirs if key not in ours]


def without(flags, *names):
    return {name: flag for name, flag in flags.items() if name not in names}


def flags_of(section):
    """Of the items of a part of nswarden(1)."""
    found = {}
    for item in section.items:
        match = re.fullmatch(r"Fl -(\S+)(?: Ns = Ns Ar ([A-Z]+))?", item.head)
        if match:
            found[match[1]] = told.Flag(match[2] or "", item.default.split(" ")[0].rstrip(",") if item.default else "")
    return found


def page_differences(commands, page):
    parts = sections(page)
    common = flags_of(parts["Common options"])
    described = {title.removeprefix("nswarden ") for title in parts if title.startswith("nswarden ")}
    leaves = {name for name, command in commands.items() if name and not command.commands}
    found = differences("nswarden(1)", leaves, described - (COMING_COMMANDS - leaves))
    found += differences("Common options", without(commands[""].flags, "help", "version"), common)
    for name in sorted(leaves & described):
        part = parts[f"nswarden {name}"]
        flags = flags_of(part) | (common if ".Sx Common options ." in part.lines else {})
        found += differences(f"nswarden(1), {name}", without(commands[name].flags, "help"), flags)
    synopsis = re.sub(r"\n\.(Op|Ar)", r" \1", "\n".join(parts["SYNOPSIS"].lines))
    lines = dict(re.findall(r"^\.Cm ([a-z ]+?)((?: (?:Op|Ar) .*)?)$", synopsis, re.MULTILINE))
    for name in sorted(leaves):
        shown = re.sub(r"Ar | (?=\.\.\.)", "", re.sub(r"Op (Ar )?([A-Z]+(?: \.\.\.)?)", r"[\2]", lines.get(name, "none")))
        found += differences(f"synopsis of {name}", {commands[name].operands}, {shown.replace("[OPTIONS]", "").strip()})
    return found


def docs_differences(commands, document):
    found = []
    for heading, command in (("Flags", "run"), ("Asking the daemon", "status")):
        table = {}
        for cells in rows(document, heading):
            table.update({name: cells[1] for name in re.findall(r"`--([^`]+)`", cells[0])})
        flags = without(commands[command].flags, "help")
        found += differences(f"docs, {heading}", set(flags), set(table))
        for name, flag in flags.items():
            cell = table.get(name, "").replace("`", "")
            if flag.default and cell != "see above" and flag.default not in re.split(r"[, ]+", cell):
                found.append(f"docs: the default of --{name} is {flag.default}, not {cell}")
    return found


def type_of(schema, field):
    name = field["$ref"].removeprefix("#/definitions/")
    words = schema["definitions"][name].get("enum", [None])
    return TYPES.get(name) or " | ".join(str(word) for word in words)


def default_in_docs(document):
    """Of the fields of the file and of a policy."""
    found = {}
    for heading in ("The file", "Policies"):
        for cells in rows(re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL), heading):
            names = re.findall(r"`([a-z_]+)`", cells[0])
            texts = cells[1].replace("`", "").replace("required", "").split(" and ")
            for name, text in zip(names, texts * len(names)):
                found[(heading, name)] = text
    return found


def yaml_differences(schema, page, document):
    parts, in_docs, found = sections(page), default_in_docs(document), []
    definitions = schema["definitions"]
    for title, object_, heading in (("The file", schema, "The file"), ("A policy", definitions["policy"], "Policies"),
                                    ("A setting", definitions["setting"]["oneOf"][1], ""), ("Commands", definitions["commands"], "")):
        items = {}
        for item in parts[title].items:
            name, type_ = re.fullmatch(r"Cm (\w+) : (?:Ar|Cm) (.*)", item.head).groups()
            items[name] = (type_, "Required." in item.body, item.default)
        fields = {}
        for name, field in object_["properties"].items():
            default = in_docs.get((heading, name), "") if heading else items.get(name, ("", "", ""))[2]
            fields[name] = (type_of(schema, field), name in object_.get("required", []), str(field.get("default", default)))
        for name in COMING_FIELDS - set(fields):
            items.pop(name, None)
        found += differences(f"nswarden.yaml(5), {title}", fields, items)
    names = {name for line in parts["Commands"].lines if line.startswith(".Cm IN_") for name in re.findall(r"IN_\w+", line)}
    return found + differences("nswarden.yaml(5), events", set(definitions["events"]["properties"]), names)


def completion_differences(shell, commands):
    found = []
    for name, command in commands.items():
        line = f"nswarden {name} ".replace("  ", " ")
        if command.commands:
            offered = shell.complete(line)
            found += differences(f"{shell.kind}, {name}", set(command.commands), offered - (COMING_COMMANDS - set(command.commands)))
        offered = shell.complete(line + "--")
        names = {f"--{flag}" for flag in command.flags}
        found += differences(f"{shell.kind}, flags of {name}", names, {flag.removesuffix("=") for flag in offered})
        if shell.kind == "bash":  # zsh leaves out the = until one is chosen
            found += differences(f"bash, values of {name}", {f"--{flag}=" for flag, told_of in command.flags.items() if told_of.value},
                                 {flag for flag in offered if flag.endswith("=")})
        for flag in [flag for flag, told_of in command.flags.items() if told_of.value in ("LEVEL", "FORMAT")]:
            for separator in "= ":
                offered = shell.complete(f"{line}--{flag}{separator}")
                found += differences(f"{shell.kind}, {line}--{flag}{separator}", told.choices(name, flag), offered)
    return found


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.commands = told.ask()
        cls.schema = json.loads(told.run("config", "schema"))

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"needs {program}")

    def shell(self, kind, change=("", ""), before=""):
        """With the completion, changed, in self.directory."""
        self.need(kind)
        script = os.path.join(tempfile.mkdtemp(dir=self.directory), os.path.basename(SCRIPTS[kind]))
        text = read(SCRIPTS[kind])
        self.assertIn(change[0], text)
        with open(script, "w", encoding="utf-8") as file:
            file.write(text.replace(*change, 1))
        shell = Shell(kind, script, self.directory, before)
        self.addCleanup(shell.close)
        return shell

    def shells(self, before=""):
        for kind in SCRIPTS:
            with self.subTest(kind):
                yield self.shell(kind, before=before)


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

    def test_the_tables_of_configuration_md_have_the_flags_of_run_and_status(self):
        self.assertEqual(docs_differences(self.commands, read(CONFIGURATION)), [])

    def test_nswarden_yaml_5_has_each_field_with_its_type_and_default(self):
        self.assertEqual(yaml_differences(self.schema, read(MAN_YAML), read(CONFIGURATION)), [])

    def test_the_examples_of_nswarden_yaml_5_are_configurations(self):
        os.mkdir(os.path.join(self.directory, "policies.d"))
        path = os.path.join(self.directory, "nswarden.yaml")
        shown = examples(read(MAN_YAML))
        self.assertGreater(len(shown), 3)
        for text in shown:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.assertIn("ok", told.run("config", "check", path))

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
            with open(os.path.join(self.directory, name), "w", encoding="utf-8"):
                pass

    def test_they_offer_each_command_flag_and_known_value(self):
        for shell in self.shells():
            self.assertEqual(completion_differences(shell, self.commands), [])

    def test_flags_and_addresses_before_a_word_are_no_hindrance(self):
        for shell in self.shells():
            for line, rest in (("status --url=http://[::1]:2 --ev", "--events"), ("status --url http://[::1]:2 --ev", "--events"),
                               ("--config.file x=y:z che", "check"), ("--log.level=info config --help che", "check")):
                self.assertEqual({word.removesuffix("=") for word in shell.complete(f"nswarden {line}")}, {rest}, line)

    def test_names_of_netns_are_those_of_the_directories_given_and_nothing_in_them_is_run(self):
        netns, others = os.path.join(self.directory, "netns"), os.path.join(self.directory, "others")
        os.mkdir(netns)
        os.mkdir(others)
        self.make(*(f"netns/{name}" for name in HOSTILE), "others/qr-9")
        for shell in self.shells():
            for line in (f"check --netns.dir={netns} ", f"--netns.dir={netns} apply --all ", f"explain --netns.dir {netns} "):
                self.assertEqual(shell.complete(f"nswarden {line}"), set(HOSTILE), line)
            self.assertEqual(shell.complete(f"nswarden check --netns.dir={netns} --output=json q"), {"qr-1", "qr-2"})
            self.assertEqual(shell.complete(f"nswarden check --netns.dir={netns} --netns.dir={others} /"), {os.path.join(others, "qr-9")})
            self.assertEqual(shell.complete(f"nswarden explain --netns.dir={netns} qr-1 qr"), set())
            self.assertFalse(os.path.exists(os.path.join(self.directory, "pwned")))

    def test_without_a_directory_they_are_those_of_run_netns(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, for a /run of its own")
        for shell in self.shells("mount -t tmpfs tmpfs /run; mkdir /run/netns; touch /run/netns/qrouter-1 /run/netns/qrouter-2"):
            for command in ("check", "apply", "explain", "status"):
                self.assertEqual(shell.complete(f"nswarden {command} "), {"qrouter-1", "qrouter-2"})

    def test_files_are_offered_where_a_file_is_meant(self):
        names = {"policy-1.yaml", "policy two.yaml", "policy:3=x.yaml"}
        self.make(*names)
        for shell in self.shells():
            for line in ("run --config.file=", "run --config.file ", "config check ", "config convert ", "status --tls.ca-file=",
                         "run --web.config.file ", "apply --restore.file="):
                self.assertEqual(shell.complete(f"nswarden {line}policy"), names, line)


class Differences(Case):
    """Each comparison finds what it is for."""

    def assert_found(self, compare, text, changes):
        for old, new in changes:
            self.assertIn(old, text)
            self.assertNotEqual(compare(text.replace(old, new, 1)), [], (old, new))

    def test_in_nswarden_1(self):
        self.assert_found(lambda page: page_differences(self.commands, page), read(MAN), [
            (".It Fl \\-all\n", ".It Fl \\-everything\n"), (".Ss nswarden status", ".Ss nswarden state"), ("Default: 5s.", "Default: 6s."),
            ("Default: /run/netns.\n", ""), ("Ns = Ns Ar LEVEL", "Ns = Ns Ar WORD"), (".It Fl \\-dry\\-run\n", ""),
            (".It Fl \\-audit\n", ".It Fl \\-audit Ns = Ns Ar N\n"), ("\n.Sx Common options .", ""), (".Ar NETNS\n.Op Ar KEY", ".Ar NETNS")])

    def test_in_configuration_md(self):
        self.assert_found(lambda document: docs_differences(self.commands, document), read(CONFIGURATION), [
            ("| `--audit` |", "| `--watch` |"), ("| `--repair.window` | `10s`", "| `--repair.window` | `11s`"), ("| `--events` | `10`", "| `--events` | `1`")])

    def test_in_nswarden_yaml_5(self):
        page, document = read(MAN_YAML), read(CONFIGURATION)
        self.assert_found(lambda page: yaml_differences(self.schema, page, document), page, [
            (".It Cm exclude :", ".It Cm except :"), (": Ar duration", ": Ar number"), ("Default: 10s.", "Default: 20s."),
            ("Required.\n", ""), ("IN_MOVE_SELF", "IN_MOVE_SELVES"), (".It Cm note : Ar text", ".It Cm remark : Ar text"),
            (".It Cm startup : Ar list", ".It Cm start : Ar list"), ("enforce | audit", "enforce"), ("Default: all.\n", "")])
        self.assert_found(lambda document: yaml_differences(self.schema, page, document), document, [("| `command_timeout` | `30s`", "| `command_timeout` | `3s`")])
        self.assert_found(lambda text: yaml_differences(json.loads(text), page, document), json.dumps(self.schema), [
            ('"follow_links": {', '"follow_link": {'), ('"required": ["version", "policies"]', '"required": ["version"]'),
            ('"follow_links": {', '"follow_links": {"default": true, ')])

    def test_in_completions(self):
        for kind, command, old, new in (
                ("bash", "", "status healthcheck config", "healthcheck config"), ("bash", "config", "schema events", "schema events words"),
                ("bash", "run", "--metrics.per-netns", "--metrics.all"), ("bash", "run", "--lock.file=", "--lock.file"),
                ("bash", "check", "debug info warn", "debug info"), ("bash", "config check", "--live ", ""),
                ("zsh", "", "'status:", "'state:"), ("zsh", "run", "--metrics.per-netns", "--metrics.all"),
                ("zsh", "check", "'--output=[how the report is written]:format:(table json)'", "'--output=:format:(table)'")):
            with self.subTest(kind, command=command, old=old):
                self.assertNotEqual(completion_differences(self.shell(kind, (old, new)), {command: self.commands[command]}), [])


if __name__ == "__main__":
    if not told.BINARY:
        sys.exit("NSWARDEN_BINARY must name the built binary")
    unittest.main()
