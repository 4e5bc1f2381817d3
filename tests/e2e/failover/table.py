# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/why.md: which connections live through a takeover, without a daemon and with one. Each row is repeated with ten
streams; several labs run at the same time, as they wait for most of it. tests/long/failover and tests/long/keepalived run them."""

import collections
import concurrent.futures
import os
import shutil
import sys
from typing import Callable, NamedTuple

from cells import default, failback, failover, liberal_reset, loose_reset, preset
from ha import Dying, HaLab, Keepalived, Synchronised
from lab import ADDRESSES, CLIENT, SNAT, TWIN, Lab, run_in
from streams import HANGS, LIVES, RESET

import harness

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../config/examples/neutron.yaml")
AT_ONCE = 6  # labs

FORWARD = "table ip filter { chain forward { type filter hook forward priority filter; %s; }; }"
NO_INVALID = {"rules": FORWARD % "ct state invalid drop"}
NO_NEW_WITHOUT_SYN = {"rules": FORWARD % "ct state new tcp flags & (fin|syn|rst|ack) != syn drop"}
FLOATING = {"inward": True, "rules": "table ip floating { chain prerouting { type nat hook prerouting priority dstnat; "
            f"iifname qg-wan ip daddr {ADDRESSES['qg-wan']} dnat to {CLIENT}; }}; }}"}
RANDOM = {"translation": SNAT + " random"}
FULLY_RANDOM = {"translation": SNAT + " fully-random"}
SERVER_ONLY = {"speaker": "server"}
INSIDE = SERVER_ONLY  # with FLOATING, the server is inside
SAME_PORT = {"twins": (TWIN, CLIENT)}


class Row(NamedTuple):
    event: str
    what: str
    lead: Callable  # of a Lab; returns the fates of its streams
    lab: dict = {}


def failover_with(streams=None, **values):
    def lead(lab):
        lab.b.set(**values)
        lab.begin(**(streams or {}))
        return failover(lab)

    return lead


def failback_with(**values):
    def lead(lab):
        lab.a.set(**values)
        lab.begin()
        return failback(lab)

    return lead


def there_and_back(lab):
    """B takes none of them, and the router goes back before they have given up."""
    lab.b.set(loose=0)
    lab.begin()
    lab.move(lab.a, lab.b)
    lab.b.release()
    lab.a.take_over()
    lab.streams.mark()
    return lab.streams.fates()


def flushed(lab):
    """The router that gives its addresses away forgets all connections."""
    lab.begin()
    lab.move(lab.a, lab.b, between=lambda: run_in(lab.a.name, "conntrack", "-F"))
    assert set(lab.streams.fates()) == {LIVES}
    lab.move(lab.b, lab.a)
    return lab.streams.fates()


def synchronised(move, streams=None):
    def lead(lab):
        for router in (lab.a, lab.b):
            router.set(loose=0, liberal=0)
        lab.begin(**(streams or {}))
        return move(lab)

    return lead


TABLES = {
    "What decides": [
        *(Row("failover", f"B: `loose={loose}`, `be_liberal={liberal}`", failover_with(loose=loose, liberal=liberal))
          for loose in (0, 1) for liberal in (0, 1)),
        *(Row("failback", f"A: `loose={loose}`, `be_liberal={liberal}`", failback_with(loose=loose, liberal=liberal))
          for liberal in (0, 1) for loose in (0, 1)),
        Row("failover", "another program has just reset `loose` in B", loose_reset),
        Row("failback", "another program has just reset `be_liberal` in A", liberal_reset),
    ],
    "Saved too": [
        Row("failover", "B: `loose=0`; moved at any moment", failover_with(loose=0), {"quiet": False}),
        Row("failback", "A: `be_liberal=0`; moved at any moment", failback_with(liberal=0), {"quiet": False}),
        Row("failover", "B: `loose=0`; a rule drops INVALID", failover_with(loose=0), NO_INVALID),
        Row("failback", "A: `be_liberal=0`; a rule drops INVALID", failback_with(liberal=0), NO_INVALID),
        Row("failover", "B: `loose=0`; the server can reach 10.0.0.10", failover_with(loose=0), {"way_back": True}),
        Row("failover", "B: `loose=0`; floating IP, opened from outside", failover_with(loose=0), FLOATING),
        Row("failover", "B: `loose=0`; floating IP, only the side inside speaks", failover_with(INSIDE, loose=0), FLOATING),
        Row("failover", "B: `loose=0`; floating IP with `fully-random`, the side outside speaks first", failover_with(loose=0),
            FLOATING | FULLY_RANDOM),
    ],
    "Not saved": [
        Row("failover", "`snat to ... random`", failover_with(), RANDOM),
        Row("failover", "`snat to ... fully-random`", failover_with(), FULLY_RANDOM),
        Row("failover", "floating IP with `fully-random`, the side inside speaks first", failover_with(INSIDE), FLOATING | FULLY_RANDOM),
        Row("failover", "only the server speaks", failover_with(SERVER_ONLY)),
        Row("failover", "SNAT had to change the port, as another had the same", failover_with(SAME_PORT)),
        Row("failover", "a rule drops NEW without SYN", failover_with(), NO_NEW_WITHOUT_SYN),
    ],
    "Saved by something else": [
        Row("failover", "A, B: `loose=0`, `be_liberal=0`; conntrackd", synchronised(failover), {"kind": Synchronised}),
        Row("failback", "A, B: `loose=0`, `be_liberal=0`; conntrackd", synchronised(failback), {"kind": Synchronised}),
        Row("failover", "conntrackd; moved at any moment", failover_with(), {"kind": Synchronised, "quiet": False}),
        Row("failover", "a rule drops NEW without SYN; conntrackd", synchronised(failover), NO_NEW_WITHOUT_SYN | {"kind": Synchronised}),
        Row("failback", "A: `be_liberal=0`; flushed when it lost its addresses", flushed),
        Row("failback", "A: `be_liberal=0`; `masquerade`", failback_with(liberal=0), {"translation": "masquerade"}),
        Row("failover, back in time", "B: `loose=0`", there_and_back),
    ],
    "Left to chance": [  # what is said between the moment when the addresses come and that when conntrackd hands over its entries
        Row("failover", "`snat to ... fully-random`; conntrackd; moved at any moment", failover_with(),
            FULLY_RANDOM | {"kind": Synchronised, "quiet": False}),
        Row("failover", "only the server speaks; conntrackd", synchronised(failover, SERVER_ONLY), {"kind": Synchronised}),
        Row("failover", "SNAT had to change the port, as another had the same; conntrackd", synchronised(failover, SAME_PORT), {"kind": Synchronised}),
    ],
}
VRRP_TABLES = {
    "By VRRP": [
        Row("failover", "B: `loose=0`", preset, {"kind": Keepalived}),
        Row("failback", "A: `be_liberal=0`", default, {"kind": Keepalived}),
        Row("failover", "another program has just reset `loose` in B", loose_reset, {"kind": Keepalived}),
        Row("failback", "another program has just reset `be_liberal` in A", liberal_reset, {"kind": Keepalived}),
        Row("failover, A dies", "B: `loose=0`", preset, {"kind": Dying}),
    ],
}
RUNS = {"failover": (TABLES, ("nft", "conntrack", "conntrackd")), "keepalived": (VRRP_TABLES, ("nft", "keepalived"))}


def run_all(rows, repetitions, prefix):
    """[Counter of fates] for each row, and the longest silence of those that live, in seconds."""
    fates, gaps = [collections.Counter() for _ in rows], []

    def run(job):
        row, repetition = job
        kind = HaLab if "kind" in rows[row].lab else Lab
        with kind(f"{prefix}{row}-{repetition}", **rows[row].lab) as lab:
            found = rows[row].lead(lab)
            return row, found, lab.streams.gap()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for row, found, gap in pool.map(run, [(row, repetition) for repetition in range(repetitions) for row in range(len(rows))]):
            fates[row].update(found)
            gaps.append(gap)
    return fates, max(gaps)


def told(fates):
    rest = ", ".join(f"{fates[fate]} {word}" for fate, word in ((HANGS, "hang"), (RESET, "reset")) if fates[fate])
    return f"{fates[LIVES]} of {fates.total()}" + (f" ({rest})" if rest else "")


def main(tables, repetitions):
    rows = [row for table in tables.values() for row in table]
    without, _ = run_all(rows, repetitions, "o")
    daemon = harness.Daemon(f"--config.file={EXAMPLE}", interval=None, log_level="info")
    try:
        guarded, gap = run_all(rows, repetitions, "w")
    finally:
        daemon.stop()
    figures = zip(without, guarded)
    for title, table in tables.items():
        print(f"\n{title}\n\n| takeover | where | without nswarden | with nswarden |\n|---|---|---|---|")
        for row, (bare, kept) in zip(table, figures):
            print(f"| {row.event} | {row.what} | {told(bare)} | {told(kept)} |")
    print(f"\nlongest silence of a stream that lives, with nswarden: {gap:.1f} s")


if __name__ == "__main__":
    asked_tables, programs = RUNS[sys.argv[1]]
    if missing := [program for program in programs if not shutil.which(program)]:
        print(f"SKIP: not installed: {', '.join(missing)}")
        sys.exit(77)
    harness.isolate()
    main(asked_tables, int(sys.argv[2]))
