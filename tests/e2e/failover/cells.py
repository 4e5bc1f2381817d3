# SPDX-License-Identifier: Apache-2.0
"""Three ways in which a takeover kills connections for want of a setting, the third of them for each of the two. A cell leads its
lab through one and returns the fates of its streams; whether a daemon looks on is not its business."""

from lab import LIBERAL, LOOSE, run_in
from streams import LIVES


def reset(router, key):
    """By another program, as somebody's script would."""
    run_in(router.name, "sysctl", "-qw", f"{key}=0")


def failover(lab):
    """To B, which never saw the streams."""
    lab.move(lab.a, lab.b)
    return lab.streams.fates()


def failback(lab, meanwhile=lambda: None):
    """To A, which knows them as they were. They have to be alive until then."""
    fates = failover(lab)
    assert set(fates) == {LIVES}, f"the failover before the failback: {fates}"
    meanwhile()
    lab.move(lab.b, lab.a)
    return lab.streams.fates()


def preset(lab):
    """Whatever made router B gave it loose=0."""
    lab.begin()
    return failover(lab)


def default(lab):
    """Both routers are as the kernel makes them: loose=1, be_liberal=0."""
    lab.begin()
    return failback(lab)


def begin_right(lab):
    """Both routers were set right when they were made, as by a script."""
    for router in (lab.a, lab.b):
        router.set(loose=1, liberal=1)
    lab.begin()


def loose_reset(lab):
    """Then somebody resets loose in B."""
    begin_right(lab)
    reset(lab.b, LOOSE)
    return failover(lab)


def liberal_reset(lab):
    """Then somebody resets be_liberal in A, while B has the streams."""
    begin_right(lab)
    return failback(lab, meanwhile=lambda: reset(lab.a, LIBERAL))


PRESET = {"preset_b": {LOOSE: 0}}
CELLS = {"preset": (preset, PRESET), "default": (default, {}), "loose_reset": (loose_reset, {}), "liberal_reset": (liberal_reset, {})}
