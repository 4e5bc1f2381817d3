# SPDX-License-Identifier: Apache-2.0
"""Any single system call and any single allocation may fail: a deterministic sample. For all of them, see tests/long/faults."""

import errno
import os
import random

import alloc_faults
import errnos
import fault_subject
import fault_world
import faults
import harness
import syscall_faults

SEED = 3
ALLOCATIONS = 70
ERRORS = 2  # of each kind of call


def chosen_of(all_errors, call):
    return random.Random(f"{SEED} {call}").sample(all_errors, min(ERRORS, len(all_errors)))


class Faults(harness.Case):
    def trial(self, kind):
        trial = faults.Trial(self.directory, kind)
        self.addCleanup(trial.close)
        return trial

    def verdict(self, table):
        print("\n" + table.text())
        self.assertEqual(table.failures(), [], "\n".join(table.failures()))

    def test_the_daemon_survives_errors_of_each_system_call(self):
        """Some errors of each call once; the seed chooses site, phase and position."""
        trial = self.trial("syscall")
        chosen = random.Random(SEED)
        counts = {phase: trial.counts(phase) for phase in faults.PHASES}
        unknown = {site for sites in counts.values() for site in sites if errnos.errnos_of(site) is None}
        self.assertEqual(unknown, set(), "calls for which tests/e2e/errnos.py has no errors")
        places = {}
        for phase, sites in counts.items():
            for site, count in sorted(sites.items()):
                for error in errnos.errnos_of(site):
                    places.setdefault((site.split()[0], error), []).append((phase, site, count))
        table = faults.Table()
        errors = {}
        for call, error in sorted(places):
            errors.setdefault(call, []).append(error)
        for (call, error), where in sorted(places.items()):
            if error not in chosen_of(errors[call], call):
                continue
            phase, site, count = chosen.choice(where)
            table.add(trial.run(phase, site, error, chosen.choice((1, count))))
        self.verdict(table)
        reached = sum(result.outcome != "not reached" for result in table.results)
        self.assertGreater(reached, 0.8 * len(table.results), "too few faults came about")

    def test_the_daemon_survives_allocations_that_fail(self):
        trial = self.trial(alloc_faults.SITE)
        chosen = random.Random(SEED)
        table = faults.Table()
        phases = {phase: trial.counts(phase)[alloc_faults.SITE] for phase in faults.PHASES}
        for phase, count in phases.items():
            for position in sorted(chosen.sample(range(1, count + 1), min(count, ALLOCATIONS // len(phases)))):
                table.add(trial.run(phase, alloc_faults.SITE, alloc_faults.ERROR, position))
        self.verdict(table)

    def test_a_netns_mounted_over_a_name_while_the_mount_table_could_not_be_polled_is_found(self):
        trial = self.trial("syscall")
        trial.world.settings.pop(fault_world.ENTERED, None)  # a lookup by name sees the other netns immediately
        trial.world.configure()
        fault = syscall_faults.Fault("epoll_ctl /proc/thread-self/mountinfo", errno.ENOMEM, 1)
        injector = syscall_faults.Injector()
        injector.arm(fault)
        trial.subject = fault_subject.Subject(trial.world, injector, interval="1s")
        self.assertTrue(trial.subject.wait_ready())
        self.assertTrue(fault.fired)
        self.assertEqual(trial.subject.metrics().sum("event_source_up", source="mount"), 0)
        harness.mount_netns("router-1")  # before the next sweep, which polls it
        self.addCleanup(harness.umount, harness.path_of("router-1"))
        self.wait_value("router-1", fault_world.KEY, trial.world.want)


if __name__ == "__main__":
    if "FAIL_ALLOC_LIBRARY" not in os.environ:
        raise SystemExit("FAIL_ALLOC_LIBRARY must name the library built from tests/support/fail_alloc.c")
    harness.main()
