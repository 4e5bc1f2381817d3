# SPDX-License-Identifier: Apache-2.0
"""A random host for a short time; tests/long/random runs it for longer. NSWARDEN_SEED repeats the steps."""

import os
import time

import harness
from random_host import Run

SECONDS = float(os.environ.get("NSWARDEN_SECONDS", "14"))
FEW_SECONDS = float(os.environ.get("NSWARDEN_FEW_SECONDS", "6"))
FEW_FDS = 64
SEED = int(os.environ.get("NSWARDEN_SEED", time.time_ns() % 1_000_000))


class RandomHost(harness.Case):
    def run_for(self, seconds, max_fds=None):
        print(f"NSWARDEN_SEED={SEED}", flush=True)
        run = Run(self, SEED, max_fds)
        run.run_bursts(seconds)
        print(run.summary())

    def test_whatever_happens_to_netns_the_invariants_hold_afterwards(self):
        self.run_for(SECONDS)

    def test_whatever_happens_to_netns_the_invariants_hold_with_too_few_open_files(self):
        self.run_for(FEW_SECONDS, FEW_FDS)


if __name__ == "__main__":
    harness.main()
