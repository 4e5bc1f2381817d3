# SPDX-License-Identifier: Apache-2.0
"""Invariants of an idle daemon, regardless of the preceding steps. Each function compares a World with the observations and
returns a line for each difference; it modifies neither, so that a test can falsify both."""

import json
import os
import re
from collections import Counter
from typing import NamedTuple

import harness
from netns_life import STORED_AS, Netns, settings_of, printable
from world import DIRECTORIES


class Expected(NamedTuple):
    netns: Counter  # by policy
    settings: Counter  # by owning policy
    states: Counter  # by state
    not_compliant: Counter  # by policy
    findings: set  # (netns as shown, policy, key, state), of settings that are not compliant
    held: Counter  # (netns, key) that exist
    unmatched: int
    wrong: list  # settings that differ from an enforcing policy


def expected(world):
    """The expected totals, computed from the current contents of each netns' files."""
    netns_of, settings, states, bad = Counter(), Counter(), Counter(), Counter()
    findings, held, wrong, unmatched = set(), Counter(), [], 0
    for netns, names in world.visible().items():
        by_key, matched = settings_of(world.policies, [name for _, name in names])
        netns_of.update(policy.name for policy in matched)
        unmatched += not matched
        for key, setting in by_key.items():
            have = netns.read(key)
            state = "missing" if have is None else "compliant" if have == setting.want else "drifted"
            settings[setting.policy] += 1
            states[state] += 1
            if have is not None:
                held[netns.label, key] += 1
                if setting.mode == "enforce" and have != STORED_AS.get(setting.want, setting.want):
                    wrong.append(f"{netns} {printable(names[0][0])}: {key} is {have!r}; {setting.policy} wants {setting.want!r}")
            if state != "compliant":
                bad[setting.policy] += 1
                findings.add((printable(names[0][0]), setting.policy, key, state))
    return Expected(netns_of, settings, states, bad, findings, held, unmatched, wrong)


def compare(what, found, wanted):
    return [] if found == wanted else [f"{what}: {found}, not {wanted}"]


def compare_sets(what, found, wanted):
    lines = [f"{what}: {item} is told and is not so" for item in sorted(found - wanted)]
    return lines + [f"{what}: {item} is so and not told" for item in sorted(wanted - found)]


def metrics_problems(world, want, metrics):
    found = []
    for policy in world.policies:
        name = policy.name
        counts = {"netns": want.netns, "managed_sysctls": want.settings, "drifted_sysctls": want.not_compliant}
        for metric, counter in counts.items():
            found += compare(f"{metric} of {name}", metrics.sum(metric, policy=name), counter[name])
    found += compare("policies", set(metrics.labels("netns", "policy")), {policy.name for policy in world.policies})
    found += compare("config_last_reload_successful", metrics.sum("config_last_reload_successful"), 1)
    found += compare("netns_unmatched", metrics.sum("netns_unmatched"), want.unmatched)
    empty_files = sum(entry.kind == "file" and not entry.mounts for _, _, entry in world.entries())
    if metrics.sum("netns_pending") > empty_files:
        found.append(f"netns_pending: {metrics.sum('netns_pending')}, and there are {empty_files} empty files")
    shown = set()
    for labels in metrics.all("sysctl_drift"):
        told = dict(labels)
        state = told["reason"] if told["reason"] in ("missing", "unreadable") else "drifted"
        shown.add((told["netns"], told["policy"], told["sysctl"], state))
    hidden = metrics.sum("sysctl_drift_hidden")
    if hidden:
        found += compare("drift, shown and hidden", len(shown) + hidden, len(want.findings))
        found += compare_sets("sysctl_drift", shown, want.findings | shown & want.findings) if shown - want.findings else []
    else:
        found += compare_sets("sysctl_drift", shown, want.findings)
    return found


def check_problems(want, done):
    """Of `check --output=json` in a separate process without the daemon's state."""
    report = json.loads(done.stdout)
    totals = report["totals"]
    states = {state: totals[state] for state in ("compliant", "drifted", "missing", "unreadable")}
    found = compare("check: states", states, {state: want.states[state] for state in states})
    found += compare("check: settings", totals["settings"], sum(states.values()))
    told = {(line["netns"], line["policy"], line["key"], line["state"]) for line in report["findings"]}
    found += compare_sets("check", told, want.findings)
    code = 1 if states["drifted"] + states["missing"] else 3 if states["unreadable"] else 0
    return found + compare("check: exit code", done.returncode, code)


class Holdings(NamedTuple):
    """The resources of a process, as reported by the kernel."""
    sysctls: Counter  # (netns, key) of held files
    dead: list  # held files of removed netns or interfaces
    others: Counter  # fds of all other kinds
    watches: int
    threads: int
    children: list
    netns: set  # inodes of the netns of its threads
    rss: int


def holdings(pid, owners):
    sysctls, dead, others, watches = Counter(), [], Counter(), 0
    base = f"/proc/{pid}/fd/"
    for fd in os.listdir(base):
        try:
            link = os.readlink(base + fd)
            if link.startswith("/proc/sys/net/"):
                try:
                    sysctls[owners.get(os.stat(base + fd).st_ino, ("unknown", link))] += 1
                except FileNotFoundError:
                    dead.append(link)
                continue
            others[re.sub(r"\d+", "N", link)] += 1
            if "inotify" in link:
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    watches += file.read().count("inotify wd:")
        except FileNotFoundError:  # an HTTP connection that was just closed
            continue
    tasks = os.listdir(f"/proc/{pid}/task")
    children, netns = [], set()
    for task in tasks:
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            children += file.read().split()
        netns.add(os.stat(f"/proc/{pid}/task/{task}/ns/net").st_ino)
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        rss = int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10
    return Holdings(sysctls, dead, others, watches, len(tasks), children, netns, rss)


def holdings_of_idle(pid, owners):
    """Without open connections, only the listening sockets for HTTP and for links remain."""
    def check():
        have = holdings(pid, owners)
        return have if have.others["socket:[N]"] == 2 else None

    return harness.wait_until(check, "only its own sockets")


def holdings_problems(want, have, base, few_fds=False):
    """`base` is the fds held before it governed anything. With few_fds it may hold fewer than it governs."""
    found = [f"holds a file of what is gone: {link}" for link in have.dead]
    if few_fds:
        beyond = {pair: count for pair, count in have.sysctls.items() if pair[0] == "unknown" and pair[1].count("/") > 4}
        found += compare("sysctl files held beyond what is governed",
                         {**beyond, **(Counter({p: c for p, c in have.sysctls.items() if p[0] != "unknown"}) - want.held)}, {})
    else:
        found += [f"holds {count} of {pair}, not {want.held[pair]}" for pair, count in have.sysctls.items()
                  if count != want.held[pair]]
        found += [f"does not hold {pair}" for pair in want.held if pair not in have.sysctls]
    for what in ("others", "watches", "threads", "children", "netns"):
        found += compare(what, getattr(have, what), getattr(base, what))
    return found


def hit_problems(hits, daemon, tester, may_be_written):
    """`hits` are the witness's. The daemon opens nothing in the netns directories and writes only values of an enforcing
    policy into netns that it governed; no other process but the test writes."""
    found = set()
    for hit in hits:
        if hit.pid == tester or not hit.path.startswith(("/proc/sys/", *DIRECTORIES)):
            continue
        if hit.pid != daemon or hit.what != "write" or not may_be_written(hit.netns, hit.key):
            found.add(f"foreign {hit.what}: {hit}")
    return sorted(found)


def life_problems(world):
    """Netns without a reference are dead; all others live. The dead ones are removed from the world. Deleting a netns that
    the daemon never saw measures how long the kernel takes to free one; earlier deletions may take no longer."""
    referenced = world.referenced()
    orphans = [netns for netns in world.netns if netns not in referenced and netns.kept < 0]
    found = [f"died: {netns}" for netns in world.netns if netns not in orphans and netns.is_dead()]
    if orphans:
        control = Netns("control", world.witness)
        control.create()
        try:
            control.let_go()
            harness.wait_until(control.is_dead, "a netns that nobody knows dies")
            harness.wait_until(lambda: all(netns.is_dead() for netns in orphans), "dead", deadline=1)
        except AssertionError:
            found += [f"kept alive: {netns}" for netns in orphans if not netns.is_dead()]
        finally:
            control.close()
    for netns in orphans:
        netns.close()
        world.netns.remove(netns)
    return found
