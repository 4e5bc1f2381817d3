# SPDX-License-Identifier: Apache-2.0
"""A random host for a short while; tests/long/random goes on for as long as you like. NSWARDEN_SEED repeats a run."""

import os
import time

import harness
from random_host import Run

SECONDS = float(os.environ.get("NSWARDEN_SECONDS", "15"))
SEED = int(os.environ.get("NSWARDEN_SEED", time.time_ns() % 1_000_000))


class RandomHost(harness.Case):
    def test_whatever_happens_to_netns_the_invariants_hold_afterwards(self):
        print(f"NSWARDEN_SEED={SEED}", flush=True)
        run = Run(self, SEED)
        run.go_on(SECONDS)
        print(run.summary())


if __name__ == "__main__":
    harness.main()
