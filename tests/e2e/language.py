# SPDX-License-Identifier: Apache-2.0
"""Policies as YAML text, for tests of the policy language."""

import json

import harness
from harness import config, run_binary

KEY, WAS = "net.ipv4.tcp_keepalive_time", "7200"
OTHER, OTHER_WAS = "net.ipv4.tcp_keepalive_intvl", "75"


def flow(value):
    """The YAML text of a value: JSON, which is YAML, or nothing."""
    return "" if value is None else " " + json.dumps(value)


def policy(sysctls, netns="^r", name="routers", **fields):
    """`sysctls`: {key: value, mapping, or None for an exclusion}. `netns` may be a list, or None."""
    lines = [f"  - name: {name}"]
    fields = {"netns": netns, **fields} if netns else fields
    lines += [f"    {field}:{flow(value)}" for field, value in fields.items()]
    if sysctls:
        lines += ["    sysctls:", *(f"      {json.dumps(key)}:{flow(value)}" for key, value in sysctls.items())]
    return "\n".join(lines) + "\n"


class LanguageCase(harness.Case):
    def start_with(self, *policies, top=None, arguments=(), **options):
        self.configure(config(*policies, **(top or {})))
        return self.start(*arguments, **options)

    def check(self, *policies, command="check", code=None, **top):
        """Findings by key (of one netns), including compliant ones."""
        self.configure(config(*policies, **top))
        done = run_binary(command, f"--config.file={self.config_file}", "--output=json", "--all")
        self.assertIn(done.returncode, (0, 1) if code is None else (code,), done.stdout + done.stderr)
        return {finding["key"]: finding for finding in json.loads(done.stdout)["findings"]}

    def states(self, *policies):
        return {key: finding["state"] for key, finding in self.check(*policies).items()}
