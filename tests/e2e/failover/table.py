# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/why.md: the connections that survive a takeover, with and without a daemon. Each row is repeated with
ten streams; several labs run in parallel because they mostly wait. tests/long/failover and tests/long/keepalived run them."""

import collections
import concurrent.futures
import os
import shutil
import sys
from typing import Callable, NamedTuple

from cells import PRESET, default, failback, failover, liberal_reset, loose_reset, preset
from ha import Dying, HaLab, Keepalived, Synchronised, SynchronisedLate
from lab import ADDRESSES, CLIENT, SNAT, TWIN, Lab, run_in
from streams import HANGS, LIVES, RESET

import harness

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../config/examples/neutron.yaml")
AT_ONCE = 6  # labs

FORWARD = "table ip filter { chain forward { type filter hook forward priority filter; %s; }; }\n"
NO_INVALID = {"rules": FORWARD % "ct state invalid drop"}
NO_NEW_WITHOUT_SYN = {"rules": FORWARD % "ct state new tcp flags & (fin|syn|rst|ack) != syn drop"}
DNAT = ("table ip floating { chain prerouting { type nat hook prerouting priority dstnat; "
        f"iifname qg-wan ip daddr {ADDRESSES['qg-wan']} dnat to {CLIENT}; }}; }}\n")
FLOATING = {"rules": DNAT, "inward": True}
FLOATING_OUTWARD = {"rules": DNAT}
ONLY_OUTWARD = {"rules": DNAT + FORWARD % "ct state invalid drop; ct state established,related accept; iifname qr-lan accept; drop"}
RANDOM = {"translation": SNAT + " random"}
FULLY_RANDOM = {"translation": SNAT + " fully-random"}
SLOW, DOWNLOAD, UPLOAD = ({"streams": {"kind": kind}} for kind in ("slow answers", "download", "upload"))
SAME_PORT = {"streams": {"twins": (TWIN, CLIENT)}}
CONNTRACKD, CONNTRACKD_LATE = {"kind": Synchronised}, {"kind": SynchronisedLate}
VRRP = {"kind": Keepalived}
ANY_MOMENT = {"quiet": False}


class Row(NamedTuple):
    event: str
    what: str
    lead: Callable  # takes a Lab; returns the fates of its streams
    lab: dict = {}


def given(nodes, move, values):
    """A lead: these routers get these values before the streams begin."""
    def lead(lab):
        for node in nodes:
            getattr(lab, node).set(**values)
        lab.begin()
        return move(lab)

    return lead


def failover_with(**values):
    return given("b", failover, values)


def failback_with(**values):
    return given("a", failback, values)


def neither(move):
    return given("ab", move, {"loose": 0, "liberal": 0})


def failback_at_any_moment(lab):
    """The failover is quiet: only the failback is left to chance."""
    lab.a.set(liberal=0)
    lab.begin()
    return failback(lab, meanwhile=lambda: setattr(lab, "quiet", False))


def move_there_and_back(lab):
    """B accepts none of the streams, and the addresses move back before the streams give up."""
    lab.b.set(loose=0)
    lab.begin()
    lab.move(lab.a, lab.b)
    lab.b.release()
    lab.a.take_over()
    lab.streams.mark()
    return lab.streams.outcomes()


def flushed(lab):
    """The router that loses its addresses flushes all connections."""
    lab.begin()
    lab.move(lab.a, lab.b, between=lambda: run_in(lab.a.name, "conntrack", "-F"))
    assert set(lab.streams.outcomes()) == {LIVES}
    lab.move(lab.b, lab.a)
    return lab.streams.outcomes()


RESET_ROWS = (("failover", "right, then another program resets `loose` in B", loose_reset),
              ("failback", "right, then another program resets `be_liberal` in A", liberal_reset))
TABLES = {
    "Effect of the settings": [
        *(Row("failover", f"B: `loose={loose}`, `be_liberal={liberal}`", failover_with(loose=loose, liberal=liberal))
          for loose in (0, 1) for liberal in (0, 1)),
        *(Row("failback", f"A: `loose={loose}`, `be_liberal={liberal}`", failback_with(loose=loose, liberal=liberal))
          for liberal in (0, 1) for loose in (0, 1)),
        *(Row(*row) for row in RESET_ROWS),
    ],
    "Saved too": [
        Row("failback", "A: `be_liberal=0`; slow answers; moved at any moment", failback_at_any_moment, SLOW),
        Row("failover", "B: `loose=0`; upload", failover_with(loose=0), UPLOAD),
        Row("failover", "B: `loose=0`; a rule drops INVALID", failover_with(loose=0), NO_INVALID),
        Row("failback", "A: `be_liberal=0`; a rule drops INVALID", failback_with(liberal=0), NO_INVALID),
        Row("failover", "B: `loose=0`; the server can reach 10.0.0.10", failover_with(loose=0), {"way_back": True}),
        Row("failover", "B: `loose=0`; floating IP, opened from outside", failover_with(loose=0), FLOATING),
        Row("failover", "B: `loose=0`; floating IP, opened from outside, download", failover_with(loose=0), FLOATING | DOWNLOAD),
        Row("failover", "B: `loose=0`; floating IP, opened from inside, download", failover_with(loose=0), FLOATING_OUTWARD | DOWNLOAD),
        Row("failover", "B: `loose=0`; floating IP with `fully-random`, opened from outside", failover_with(loose=0), FLOATING | FULLY_RANDOM),
    ],
    "Not saved": [
        Row("failover", "`snat to ... random`", failover_with(), RANDOM),
        Row("failover", "`snat to ... fully-random`", failover_with(), FULLY_RANDOM),
        Row("failover", "floating IP with `fully-random`, opened from inside", failover_with(), FLOATING_OUTWARD | FULLY_RANDOM),
        Row("failover", "floating IP with `fully-random`, opened from outside, download", failover_with(), FLOATING | FULLY_RANDOM | DOWNLOAD),
        Row("failover", "download", failover_with(), DOWNLOAD),
        Row("failover", "download; conntrackd 0.5 s later", failover_with(), DOWNLOAD | CONNTRACKD_LATE),
        Row("failover", "SNAT had to change the port, as another had the same", failover_with(), SAME_PORT),
        Row("failover", "a rule drops NEW without SYN", failover_with(), NO_NEW_WITHOUT_SYN),
        Row("failover", "floating IP, opened from inside, download; rules let out what is NEW, and not in", failover_with(), ONLY_OUTWARD | DOWNLOAD),
    ],
    "Saved by something else": [
        *(Row(move.__name__, "A, B: `loose=0`, `be_liberal=0`; conntrackd", neither(move), CONNTRACKD) for move in (failover, failback)),
        Row("failover", "conntrackd 0.5 s later", failover_with(), CONNTRACKD_LATE),
        Row("failover", "a rule drops NEW without SYN; conntrackd", failover_with(), NO_NEW_WITHOUT_SYN | CONNTRACKD),
        Row("failback", "A: `be_liberal=0`; flushed when it lost its addresses", flushed),
        Row("failback", "A: `be_liberal=0`; `masquerade`", failback_with(liberal=0), {"translation": "masquerade"}),
        Row("failover, back in time", "B: `loose=0`", move_there_and_back),
    ],
    "Lost by `loose=1`": [
        Row("failover", "A, B: `loose=0`, `be_liberal=0`; `snat to ... fully-random`; conntrackd 0.5 s later", neither(failover),
            FULLY_RANDOM | CONNTRACKD_LATE),
    ],
    "Left to chance": [
        Row("failover", "moved at any moment", failover_with(), ANY_MOMENT),
        Row("failover", "slow answers; moved at any moment", failover_with(), SLOW | ANY_MOMENT),
        Row("failover", "slow answers; conntrackd; moved at any moment", failover_with(), SLOW | CONNTRACKD | ANY_MOMENT),
        Row("failover", "`snat to ... fully-random`; conntrackd; moved at any moment", failover_with(), FULLY_RANDOM | CONNTRACKD | ANY_MOMENT),
        Row("failover", "download; conntrackd", failover_with(), DOWNLOAD | CONNTRACKD),
        Row("failover", "SNAT had to change the port, as another had the same; conntrackd", failover_with(), SAME_PORT | CONNTRACKD),
    ],
}
VRRP_TABLES = {
    "By VRRP": [
        Row("failover", "B: `loose=0`", preset, VRRP | PRESET),
        Row("failback", "A: `be_liberal=0`", default, VRRP),
        *(Row(*row, VRRP) for row in RESET_ROWS),
        Row("failover, A dies", "B: `loose=0`", preset, PRESET | {"kind": Dying}),
    ],
}
RUNS = {"failover": (TABLES, ("nft", "conntrack", "conntrackd")), "keepalived": (VRRP_TABLES, ("nft", "keepalived"))}


def run_all(rows, repetitions, prefix):
    """[Counter of fates] per row, and the longest silence of live streams, in seconds."""
    outcomes, gaps = [collections.Counter() for _ in rows], []

    def run(job):
        row, repetition = job
        kind = HaLab if "kind" in rows[row].lab else Lab
        with kind(f"{prefix}{row}-{repetition}", **rows[row].lab) as lab:
            found = rows[row].lead(lab)
            return row, found, lab.streams.gap()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for row, found, gap in pool.map(run, [(row, repetition) for repetition in range(repetitions) for row in range(len(rows))]):
            outcomes[row].update(found)
            gaps.append(gap)
    return outcomes, max(gaps)


def summary(outcomes):
    rest = ", ".join(f"{outcomes[outcome]} {word}" for outcome, word in ((HANGS, "hang"), (RESET, "reset")) if outcomes[outcome])
    return f"{outcomes[LIVES]} of {outcomes.total()}" + (f" ({rest})" if rest else "")


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
            print(f"| {row.event} | {row.what} | {summary(bare)} | {summary(kept)} |")
    print(f"\nlongest silence of a stream that lives, with nswarden: {gap:.1f} s")


if __name__ == "__main__":
    asked_tables, programs = RUNS[sys.argv[1]]
    if missing := [program for program in programs if not shutil.which(program)]:
        print(f"SKIP: not installed: {', '.join(missing)}")
        sys.exit(77)
    harness.isolate()
    main(asked_tables, int(sys.argv[2]))
