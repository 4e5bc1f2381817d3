# SPDX-License-Identifier: Apache-2.0
"""Three ways in which a takeover kills connections because a setting is missing; the third exists for each of the two
settings. A cell takes its lab through one of them and returns the fates of its streams, with or without a daemon."""

from lab import LIBERAL, LOOSE, run_in
from streams import LIVES


def reset(router, key):
    """Written by another program, such as an operator's script."""
    run_in(router.name, "sysctl", "-qw", f"{key}=0")


def failover(lab):
    """To B, which never saw the streams."""
    lab.move(lab.a, lab.b)
    return lab.streams.outcomes()


def failback(lab, meanwhile=lambda: None):
    """Back to A, which has outdated state of the streams. They have to stay alive until then."""
    outcomes = failover(lab)
    assert set(outcomes) == {LIVES}, f"the failover before the failback: {outcomes}"
    meanwhile()
    lab.move(lab.b, lab.a)
    return lab.streams.outcomes()


def preset(lab):
    """Router B was created with loose=0."""
    lab.begin()
    return failover(lab)


def default(lab):
    """Both routers have the kernel's defaults: loose=1, be_liberal=0."""
    lab.begin()
    return failback(lab)


def begin_configured(lab):
    """Both routers were configured when they were created, as by a script."""
    for router in (lab.a, lab.b):
        router.set(loose=1, liberal=1)
    lab.begin()


def loose_reset(lab):
    """Later another program resets loose in B."""
    begin_configured(lab)
    reset(lab.b, LOOSE)
    return failover(lab)


def liberal_reset(lab):
    """Later another program resets be_liberal in A, while B has the streams."""
    begin_configured(lab)
    return failback(lab, meanwhile=lambda: reset(lab.a, LIBERAL))


PRESET = {"preset_b": {LOOSE: 0}}
CELLS = {"preset": (preset, PRESET), "default": (default, {}), "loose_reset": (loose_reset, {}), "liberal_reset": (liberal_reset, {})}
