# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments; tests/long/sigkill runs 1000 of them. NSWARDEN_SEED repeats the choices of a run."""

import os
import time

import harness
from sigkill import Assault

KILLS = int(os.environ.get("NSWARDEN_KILLS", "60"))
SEED = int(os.environ.get("NSWARDEN_SEED", time.time_ns() % 1_000_000))


class Sigkill(harness.Case):
    def test_after_each_sigkill_the_first_sweep_sets_all_right_and_finds_nothing_left_over(self):
        print(f"NSWARDEN_SEED={SEED}", flush=True)
        assault = Assault(self, SEED)
        assault.run_kills(KILLS)
        print(assault.summary())


if __name__ == "__main__":
    harness.main()
