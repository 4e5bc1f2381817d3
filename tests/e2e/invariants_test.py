# SPDX-License-Identifier: Apache-2.0
"""The checks of the random host detect faults: each invariant is broken, in the world, in the recorded state, or in the
observations."""

import json
import os
import signal
import subprocess
from collections import Counter
from types import SimpleNamespace

import harness
import invariants
import random_host
from harness import NETNS_DIR
from netns_life import BRIDGE, INTERVAL, LIBERAL, NOBODYS, TIME
from random_host import Run
from random_steps import CONFIGS
from world import Entry


class Invariants(harness.Case):
    def setUp(self):
        super().setUp()
        self.run_ = Run(self, seed=1)
        self.world, self.witness = self.run_.world, self.run_.witness
        self.router, self.other = self.add(b"router-1"), self.add(b"other-1")
        self.run_.quiesce()
        self.assertEqual(self.run_.foreign_problems(self.world.may_be_written), [])

    def add(self, name):
        netns = self.world.make_netns()
        self.world.place(NETNS_DIR, name)
        self.world.mount(NETNS_DIR, name, netns)
        netns.let_go()
        return netns

    def path(self, name):
        return self.world.path(NETNS_DIR, name)

    def hold(self, pid=None):
        return invariants.holdings(pid or self.run_.daemon.process.pid, self.witness.owners)

    def assert_found(self, problems, *words):
        for word in words:
            self.assertIn(word, "\n".join(problems))

    def test_a_setting_that_is_wrong_is_noticed(self):
        self.run_.daemon.signal(signal.SIGSTOP)
        self.router.write(TIME, "9")
        self.assert_found(invariants.expected(self.world).wrong, TIME)
        self.run_.daemon.signal(signal.SIGCONT)

    def test_metrics_that_tell_of_other_netns_settings_and_states_are_noticed(self):
        want = invariants.expected(self.world)
        metrics = self.run_.daemon.wait_metrics(lambda told: not invariants.metrics_problems(self.world, want, told), "all told")
        self.world.policies = CONFIGS[1]
        problems = invariants.metrics_problems(self.world, invariants.expected(self.world), metrics)
        self.assert_found(problems, "netns of others", "managed_sysctls of others", "drifted_sysctls of others", "policies: ",
                            "sysctl_drift: ")
        self.world.policies = CONFIGS[0]
        self.assert_found(invariants.metrics_problems(self.world, want._replace(unmatched=7), metrics), "netns_unmatched")

    def test_a_check_whose_states_do_not_add_up_is_noticed(self):
        want, done = invariants.expected(self.world), self.run_.check()
        self.assertEqual(invariants.check_problems(want, done), [])
        report = json.loads(done.stdout)
        report["totals"]["settings"] += 1
        told = SimpleNamespace(stdout=json.dumps(report), returncode=3)
        self.assert_found(invariants.check_problems(want, told), "check: settings", "check: exit code")
        report["totals"]["missing"] -= 1
        report["findings"].pop()
        told = SimpleNamespace(stdout=json.dumps(report), returncode=1)
        self.assert_found(invariants.check_problems(want, told), "check: states", "is so and not told")

    def test_a_write_where_nobody_wants_one_is_noticed(self):
        """The test acts as the daemon."""
        def problems_of_writes(*writes):
            for netns, key in writes:
                netns.write(key, netns.read(key))
            return invariants.hit_problems(self.witness.take_hits(), os.getpid(), 0, self.world.may_be_written)

        self.assertEqual(problems_of_writes((self.router, TIME), (self.router, LIBERAL)), [])
        self.assert_found(problems_of_writes((self.router, NOBODYS)), "foreign write", NOBODYS)
        self.assert_found(problems_of_writes((self.router, INTERVAL)), "foreign write", INTERVAL)  # the policy only audits
        self.assert_found(problems_of_writes((self.other, TIME)), "foreign write", self.other.label)
        self.world.keep(self.router)  # without a name it matches no policy
        self.world.remove(NETNS_DIR, b"router-1")
        self.world.reset_history()
        self.assert_found(problems_of_writes((self.router, TIME)), "foreign write", self.router.label)
        harness.in_thread(lambda: (harness.call("unshare", harness.CLONE_NEWNET), harness.write_here(TIME, 5)))
        self.assert_found(problems_of_writes(), "foreign write", "unknown")

    def test_a_write_of_somebody_else_and_an_opening_in_a_netns_directory_are_noticed(self):
        subprocess.run(["sh", "-c", "echo 7 > /proc/sys/net/ipv4/tcp_fin_timeout"], check=True)
        self.assert_found(self.run_.foreign_problems(self.world.may_be_written), "foreign write", "home")
        self.world.place(NETNS_DIR, b"dhcp-1", "content")
        subprocess.run(["cat", self.path(b"dhcp-1")], check=True, stdout=subprocess.DEVNULL)
        self.assert_found(self.run_.foreign_problems(self.world.may_be_written), "foreign open", "dhcp-1")

    def test_a_write_at_rest_is_noticed(self):
        """A setting that drifts repeatedly."""
        self.assertEqual(self.run_.problems(), [])
        rest = self.run_.daemon.wait_sweeps
        self.run_.daemon.wait_sweeps = lambda count: (self.router.write(TIME, "9"), rest(count))
        self.assert_found(self.run_.problems(), "at rest: foreign write")

    def test_a_netns_that_is_kept_alive_or_has_died_is_noticed(self):
        with open(self.path(b"router-1"), "rb"):
            self.world.remove(NETNS_DIR, b"router-1")
            self.assert_found(invariants.life_problems(self.world), f"kept alive: {self.router}")
        harness.umount(self.path(b"other-1"))
        harness.wait_until(self.other.is_dead, "dead")
        self.assert_found(invariants.life_problems(self.world), f"died: {self.other}")
        self.world.top(NETNS_DIR)[b"other-1"].mounts.clear()

    def test_whatever_a_process_holds_too_much_or_too_little_is_noticed(self):
        want, base, have = invariants.expected(self.world), self.run_.base, None
        pair = (self.router.label, TIME)

        def at_rest():  # the connection of the last scrape closes shortly after its response
            nonlocal have
            have = self.hold()
            return not invariants.holdings_problems(want, have, base)

        harness.wait_until(at_rest, lambda: invariants.holdings_problems(want, have, base))
        lies = {"watches": have.watches + 1, "threads": have.threads + 1, "children": ["7"], "netns": {1, 2},
                "others": have.others + Counter(["pipe:[N]"]), "dead": ["/proc/sys/net/x"],
                "sysctls": have.sysctls + Counter([pair])}
        words = dict.fromkeys(lies) | {"dead": "holds a file of what is gone", "sysctls": f"holds 2 of {pair}"}
        for field, lie in lies.items():
            self.assert_found(invariants.holdings_problems(want, have._replace(**{field: lie}), base), words[field] or field)
        fewer = have._replace(sysctls=have.sysctls - Counter([pair]))
        self.assert_found(invariants.holdings_problems(want, fewer, base), f"does not hold {pair}")
        self.assertEqual(invariants.holdings_problems(want, fewer, base, few_fds=True), [])
        more = have._replace(sysctls=have.sysctls + Counter([(self.router.label, NOBODYS)]))
        self.assert_found(invariants.holdings_problems(want, more, base, few_fds=True), "beyond what is governed")

    def test_what_a_process_holds_is_seen(self):
        """Of the test process, which holds many fds."""
        before = self.hold(os.getpid())
        self.assertGreaterEqual(before.sysctls[self.router.label, BRIDGE if BRIDGE in self.router.fds else TIME], 1)
        self.world.remove(NETNS_DIR, b"router-1")
        harness.wait_until(self.router.is_dead, "dead")
        with subprocess.Popen(["sleep", "60"]) as child:
            now = self.hold(os.getpid())
            child.kill()
        self.assertGreater(len(now.dead), len(before.dead))
        self.assertEqual(set(now.children) - set(before.children), {str(child.pid)})

    def test_growth_is_noticed(self):
        self.run_.bursts = random_host.WARM_UP + 1
        self.run_.sanitized = False
        self.run_.warm = self.hold().rss - random_host.MORE_RSS - 1
        self.assert_found(self.run_.growth_problems(), "RSS")

    def test_a_model_that_is_wrong_is_noticed(self):
        self.world.top(NETNS_DIR)[b"dhcp-2"] = Entry("file")
        self.world.top(NETNS_DIR)[b"router-1"].mounts[-1] = self.other
        self.assert_found(self.world.problems(), "model: /run/netns has", "leads to inode")


if __name__ == "__main__":
    harness.main()
