# SPDX-License-Identifier: Apache-2.0
"""`nswarden status` against a daemon, or against a server in its place."""

import re

import harness
import stranger
from harness import add_netns, config, policy, run_binary

KEY = "net.ipv4.tcp_keepalive_time"
WANT = 1234


class StatusCase(harness.Case):
    def governed(self, mode="enforce", *arguments, names=("router-1",), **options):
        self.configure(config(policy("routers", "^router-", {KEY: WANT}, mode)))
        for name in names:
            add_netns(name)
        return self.start(*arguments, **options)

    def stranger(self, answer, **options):
        server = stranger.Stranger(answer, **options)
        self.addCleanup(server.stop)
        return server

    def status(self, url, *arguments, **options):
        return run_binary("status", f"--url={url}", *arguments, **options)

    def of(self, daemon, *arguments, **options):
        return self.status(f"http://{daemon.address}", *arguments, **options)

    def refused(self, result, *texts, code=3):
        """One line on stderr with all of these, and empty stdout."""
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
        return result.stderr

    def assert_harmless(self, text):
        self.assertEqual(re.findall("[^\\n -\\x7e]", text), [], repr(text))
