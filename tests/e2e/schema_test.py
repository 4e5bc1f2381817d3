# SPDX-License-Identifier: Apache-2.0
"""`nswarden config schema` and `nswarden config check` agree on valid configurations: for valid files, and for variants in
which a field is dropped, added, or of another type. The files are JSON, which is YAML."""

import copy
import json
import os
import subprocess
import sys
import zlib

import harness

try:
    import jsonschema
except ImportError:
    print("SKIP: needs python3-jsonschema")
    sys.exit(77)

BINARY = os.environ.get("NSWARDEN_BINARY", "")

# Unknown keys, so that only the structure counts, and conditions that any `set` meets.
SETTINGS = {
    "net.ipv4.a": 1,
    "-net.ipv4.b": "60",
    "net.ipv4.c": {"value": "4096 87380 6291456", "note": "as measured", "optional": True, "mode": "enforce"},
    "net.ipv4.d": {"min": 60, "mode": "audit"},
    "net.ipv4.e": {"max": "8192 8192"},
    "net/ipv4/f": {"between": [-3, 15], "mode": "audit"},
    "net.ipv4.conf.*.g*": {"one_of": [0, "two"]},
    "net.ipv4.h": {"not": 1, "set": 2, "mode": "enforce"},
    "net.ipv4.i": {"regex": "cubic|bbr"},
    "-net.ipv4.j": None,
}

GOOD = [
    {"version": 1, "policies": []},
    {
        "version": 1, "netns_dirs": ["/run/netns", "/run/docker/netns"], "follow_links": True, "reconcile_interval": "10s",
        "command_timeout": "1m", "repair_budget": 5, "repair_window": "10m", "mode": "audit",
        "policies": [
            {
                "name": "everything", "netns": "^qrouter-", "exclude": ["^qrouter-old", "x"], "discover": "processes",
                "interfaces": ["qr-", "qg-"], "mode": "enforce", "allow_global": False, "restore": True,
                "observe": ["net.netfilter.a", "net.ipv4.conf.*.a"], "sysctls": SETTINGS,
                "commands": {"capabilities": "daemon", "startup": ["true"],
                             "events": {"IN_CREATE": ["true", "false"], "IN_DELETE": []}},
            },
            {"name": "host", "host": True, "sysctls": {"net.ipv4.a": 0}},
            {"name": "commands alone", "netns": ["a", "b"], "commands": {}},
            {"name": "observe alone", "netns": "a", "observe": ["net.ipv4.a"]},
        ],
    },
]

# One value of every YAML kind.
OTHERS = [None, True, 5, "text", [], {}, ["text"], {"text": 1}]


def places(value, path=()):
    """The paths of all nodes of a value."""
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, path + (key,))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, path + (index,))


def at(value, path):
    for step in path:
        value = value[step]
    return value


def changed(value, path, change):
    """A copy in which change(container, last step) was applied."""
    made = copy.deepcopy(value)
    change(at(made, path[:-1]), path[-1])
    return made


def mutations(good):
    """(the change, the outcome)"""
    for path in places(good):
        here = at(good, path)
        if isinstance(here, dict):
            made = copy.deepcopy(good)
            at(made, path)["no_such_field"] = 1
            yield f"{path} has an unknown field", made
        if not path:
            continue

        def drop(container, step):
            del container[step]

        yield f"{path} is dropped", changed(good, path, drop)
        # Each place meets a third of them, each of them a third of the places.
        for other in OTHERS[zlib.crc32(repr(path).encode()) % 3::3]:
            if other == here and type(other) is type(here):
                continue

            def put(container, step, other=other):
                container[step] = other

            yield f"{path} is {other!r}", changed(good, path, put)


def value_forms(good):
    """The forms of a sysctl's value: each pair of them, and each with and without its companion fields."""
    parts = [("value", 1), ("min", 1), ("max", 9), ("between", [1, 9]), ("one_of", [1, 5]), ("not", 7), ("regex", "[0-9]+")]
    rests = [{}, {"set": 5}, {"mode": "enforce"}, {"set": 5, "mode": "enforce"}, {"mode": "audit"}]
    for first in parts:
        for second in parts:
            for rest in rests:
                setting = dict([first, second], **rest)
                yield f"a setting is {setting}", changed(
                    good, ("policies", 0, "sysctls", "net.ipv4.d"),
                    lambda container, step, setting=setting: container.__setitem__(step, setting))


class Schema(harness.Case):
    def setUp(self):
        super().setUp()
        printed = subprocess.run([BINARY, "config", "schema"], check=True, stdout=subprocess.PIPE, timeout=harness.DEADLINE)
        self.schema = json.loads(printed.stdout)
        self.validator = jsonschema.Draft7Validator(self.schema)

    def is_taken(self, value):
        """Whether the program accepts it, and its output."""
        self.configure(json.dumps(value) + "\n")
        run = subprocess.run([BINARY, "config", "check", self.config_file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             close_fds=False,  # quicker
                             timeout=harness.DEADLINE)
        self.assertIn(run.returncode, (0, 2), run.stdout)
        return run.returncode == 0, run.stdout.decode("utf-8", "replace")

    def require_agreement(self, what, value):
        taken, told = self.is_taken(value)
        errors = [error.message for error in self.validator.iter_errors(value)]
        self.assertEqual(taken, not errors, f"{what}: config check says {told!r}, the schema says {errors}")
        return taken

    def test_the_schema_is_one(self):
        jsonschema.Draft7Validator.check_schema(self.schema)

    def test_good_files_are_taken_by_both(self):
        for good in GOOD:
            self.assertTrue(self.require_agreement("good", good))

    def test_files_with_one_thing_changed_are_judged_alike(self):
        verdicts = []
        for good in GOOD:
            for what, value in mutations(good):
                with self.subTest(what):
                    verdicts.append(self.require_agreement(what, value))
        self.assertGreater(verdicts.count(True), 30)
        self.assertGreater(verdicts.count(False), 150)

    def test_ways_to_say_what_is_wanted_are_judged_alike(self):
        verdicts = []
        for what, value in value_forms(GOOD[1]):
            with self.subTest(what):
                verdicts.append(self.require_agreement(what, value))
        self.assertGreater(verdicts.count(True), 10)
        self.assertGreater(verdicts.count(False), 100)


if __name__ == "__main__":
    harness.main()
