# SPDX-License-Identifier: Apache-2.0
"""Required and forbidden settings of the systemd unit. tests/packaging/systemd tests their effect."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CAPABILITIES = {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_BROADCAST"}
# Each of them silently takes away an input that the daemon depends on (kernel fact 18), or prevents its start.
BLINDING = ["ProtectKernelTunables", "ProtectControlGroups", "ProtectProc", "ProcSubset", "PrivateNetwork", "PrivateUsers"]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


UNIT = read("packaging/systemd/nswarden.service")


def parse(text):
    """{section: {directive: [values]}}"""
    sections, current = {}, None
    for line in text.splitlines():
        if re.fullmatch(r"\[\w+\]", line):
            current = sections.setdefault(line[1:-1], {})
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            current.setdefault(name, []).append(value)
    return sections


class Unit(unittest.TestCase):
    def setUp(self):
        self.sections = parse(UNIT)
        self.service = self.sections["Service"]

    def test_it_tells_systemd_when_it_is_ready_and_that_it_lives(self):
        wanted = {"Type": ["notify"], "NotifyAccess": ["main"], "WatchdogSec": ["60s"], "Restart": ["always"],
                  "ExecStart": ["/usr/bin/nswarden run $ARGS"], "ExecReload": ["/bin/kill -HUP $MAINPID"],
                  "EnvironmentFile": ["-/etc/default/nswarden"], "RuntimeDirectory": ["nswarden"], "RuntimeDirectoryPreserve": ["yes"]}
        self.assertEqual({name: self.service[name] for name in wanted}, wanted)
        self.assertEqual(self.sections["Unit"]["StartLimitIntervalSec"], ["0"])

    def test_those_that_make_netns_come_after_it_and_nothing_is_required(self):
        before = set(" ".join(self.sections["Unit"]["Before"]).split())
        self.assertLessEqual({"neutron-l3-agent.service", "docker.service", "containerd.service", "kubelet.service"}, before)
        self.assertFalse({"Requires", "Wants", "BindsTo", "Requisite", "PartOf", "Upholds"} & set(self.sections["Unit"]))

    def test_its_user_has_three_capabilities_and_can_get_no_more(self):
        self.assertEqual((self.service["User"], self.service["Group"]), (["nswarden"], ["nswarden"]))
        for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
            self.assertEqual(len(self.service[name]), 1)
            self.assertEqual(set(self.service[name][0].split()), CAPABILITIES)
        self.assertEqual(self.service["NoNewPrivileges"], ["yes"])

    def test_nothing_that_blinds_it_is_on_and_each_has_its_reason(self):
        for name in BLINDING:
            self.assertNotIn(name, self.service)
        reasons = dict(re.findall(r"^# (\w+)= +(\S.*)$", UNIT.partition("# Directives that must stay off")[2], re.MULTILINE))
        self.assertEqual(set(reasons), set(BLINDING))
        for name, reason in reasons.items():
            self.assertGreater(len(reason.split()), 4, name)

    def test_the_documentation_tells_of_each_directive(self):
        told = set(re.findall(r"`(\w+)=", read("docs/systemd.md")))
        directives = set(self.sections["Unit"]) - {"Description", "Documentation"} | set(self.service) | set(BLINDING)
        self.assertEqual(directives - told, set())

    def test_its_user_and_its_module_are_those_that_the_package_makes(self):
        users = [line.split()[:2] for line in read("packaging/systemd/sysusers.conf").splitlines() if not line.startswith("#")]
        self.assertEqual(users, [["u", self.service["User"][0]]])
        modules = [line for line in read("packaging/systemd/modules-load.conf").splitlines() if not line.startswith("#")]
        self.assertEqual(modules, ["nf_conntrack"])

    def test_the_defaults_say_nothing(self):
        lines = [line for line in read("packaging/systemd/nswarden.default").splitlines() if not line.startswith("#")]
        self.assertEqual(lines, ['ARGS=""'])

    def test_systemd_finds_no_fault_in_it(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not there")
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "nswarden.service")
            with open(path, "w", encoding="utf-8") as file:
                # Neither the program nor its user need exist here.
                file.write(re.sub(r"^(User|Group)=.*\n", "", UNIT, flags=re.MULTILINE).replace("/usr/bin/nswarden", "/bin/true")
                           .replace("/bin/kill", "/bin/true"))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, encoding="utf-8", check=False)
            told = [line for line in (done.stdout + done.stderr).splitlines() if "nswarden.service" in line or path in line]
            self.assertEqual(told, [])


class Elsewhere(unittest.TestCase):
    """The same capabilities in containers."""

    def capabilities_in(self, paths):
        found = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                for block in re.findall(r"^( *)add:((?: *\[.*\])|(?:\n\1 +.*)+|(?:\n\1- .*)+)", file.read(), re.MULTILINE):
                    names = set(re.findall(r"\b(?:CAP_)?([A-Z]+_[A-Z_]+)\b", block[1]))
                    if names:
                        found.append((os.path.relpath(path, ROOT), {"CAP_" + name for name in names}))
        return found

    def test_the_daemonset_adds_the_same(self):
        paths = glob.glob(os.path.join(ROOT, "packaging/kubernetes/base/**/*.yaml"), recursive=True)
        if not paths:
            self.skipTest("packaging/kubernetes is not there")
        self.assertEqual([names for _, names in self.capabilities_in(paths)], [CAPABILITIES])

    def test_where_the_dockerfile_names_capabilities_it_names_the_same(self):
        path = os.path.join(ROOT, "Dockerfile")
        if not os.path.exists(path):
            self.skipTest("Dockerfile is not there")
        with open(path, encoding="utf-8") as file:
            names = set(re.findall(r"\bcap_(?:sys|net)_[a-z]+\b", file.read().lower()))
        self.assertIn({name.upper() for name in names}, (set(), CAPABILITIES))


if __name__ == "__main__":
    unittest.main()
