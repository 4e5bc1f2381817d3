# SPDX-License-Identifier: Apache-2.0
"""Simulates many nodes on one loopback. Node N has the address 127.64.0.0 + N. Its /metrics is a real scrape that evolves: counters and times
advance, drift appears and disappears, daemons restart. One process serves all nodes; a node that is down closes the connection."""

import asyncio
import ipaddress
import multiprocessing
import re
import signal
import socket
import time
import zlib

from fleet_scrapes import own_names

PORT = 10042
FIRST = int(ipaddress.IPv4Address("127.64.0.0"))
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PART = re.compile(r"_(bucket|sum|count)$")
# Gauges that differ between nodes or scrapes.
SIZES = ("nswarden_netns", "nswarden_managed_sysctls", "nswarden_bound_sysctls")
STARTS = ("process_start_time_seconds", "nswarden_config_last_reload_success_timestamp_seconds")
# Counters that grow at the same rate on each node. The rate of all other counters varies by node.
STEADY = ("nswarden_reconcile", "process_cpu_seconds_total")
# Situations other than quiet, by node number modulo 100. A single node is down.
DOWN = 1
SITUATIONS = {2: "suspended", 3: "drift", 53: "drift", 4: "failing", 5: "refused"}
COMES_AND_GOES, RESTARTS = (6, 56), (7, 57)
COMING = 12  # scrapes: length of a phase with or without intermittent drift
RESTART_AT = 20  # scrapes between restarts


def chance(*of_what):
    """A reproducible pseudorandom number from 0 to 1."""
    return zlib.crc32(repr(of_what).encode()) / 2**32


class Series:
    """A line of a page: its prefix and a changing value. `step` is the growth of a counter from one scrape to the next."""

    def __init__(self, prefix, kind, value, step):
        self.name = NAME.match(prefix)[0]
        self.prefix, self.kind, self.step = prefix, kind, step
        self.text, self.value = value, float(value)
        self.is_whole = not self.name.endswith(("_sum", "_seconds_total"))

    def at(self, node, turns, now):
        if self.kind != "gauge":
            return self._counted(node, turns)
        if self.name in SIZES:
            return int(self.value * node.size)
        if self.name in STARTS:
            return f"{node.started(turns):.3f}"
        if self.name == "nswarden_reconcile_last_success_timestamp_seconds":
            return f"{now - 10 * chance(node.number, turns):.3f}"
        if self.name == "process_resident_memory_bytes":
            return int(self.value) + 4096 * int(256 * chance(node.number, turns))
        return self.text

    def _counted(self, node, turns):
        pace = 1 if self.name.startswith(STEADY) else node.activity
        # Steps differ, but the counter never decreases.
        done = self.step * pace * (node.lived(turns) + 0.9 * chance(node.number, turns))
        value = (0 if node.has_restarted(turns) else self.value) + done
        return int(value) if self.is_whole else f"{value:.9g}"


class Page:
    """The metrics of a daemon: {family: its lines}."""

    def __init__(self, scrapes):
        before = dict(line.rsplit(" ", 1) for line in scrapes.first.splitlines() if not line.startswith("#"))
        self.families, self.kinds, kind = {}, {}, None
        for line in scrapes.second.splitlines():
            if match := TYPE.match(line):
                kind = self.kinds[match[1]] = match[2]
            family = self.families.setdefault(line.split()[2] if line.startswith("#") else self._family(line), [])
            if line.startswith("#"):
                family.append(line)
                continue
            prefix, value = line.rsplit(" ", 1)
            family.append(Series(prefix, kind, value, float(value) - float(before.get(prefix, 0))))

    def _family(self, line):
        name = NAME.match(line)[0]
        return name if name in self.kinds else PART.sub("", name)

    def with_gauges_of(self, other):
        """A page with these counters, so that they continue, and the gauges of the other one."""
        page = Page.__new__(Page)
        page.kinds = {**other.kinds, **self.kinds}
        page.families = {name: lines for name, lines in self.families.items() if self.kinds[name] != "gauge"}
        page.families.update((name, lines) for name, lines in other.families.items() if other.kinds[name] == "gauge")
        return page

    def series(self):
        return sum(isinstance(line, Series) for lines in self.families.values() for line in lines)

    def text(self, node, turns, now):
        text = "\n".join(f"{line.prefix} {line.at(node, turns, now)}" if isinstance(line, Series) else line
                         for lines in self.families.values() for line in lines)
        return own_names(text + "\n", node.number)


class Node:
    def __init__(self, number, began, interval):
        self.number, self.began, self.interval = number, began, interval
        self.size = 0.2 + 1.8 * chance("size", number)
        self.activity = chance("activity", number) ** 3
        self.is_down = number == DOWN
        kind = number % 100
        self.situation = SITUATIONS.get(kind) or ("other" if number % 5 == 0 else "quiet")
        self.comes_and_goes, self.restarts = kind in COMES_AND_GOES, kind in RESTARTS

    @property
    def address(self):
        return f"{ipaddress.IPv4Address(FIRST + self.number)}:{PORT}"

    def has_restarted(self, turns):
        return self.restarts and turns >= RESTART_AT

    def lived(self, turns):
        """Scrapes since its daemon was restarted, or since the start of the simulation."""
        return turns % RESTART_AT if self.has_restarted(turns) else turns

    def started(self, turns):
        """Start of its daemon as Unix time: within the simulation, or some days before it."""
        if self.has_restarted(turns):
            return self.began + self.interval * (turns - self.lived(turns))
        return self.began - 86400 * (1 + 9 * chance("start", self.number))


class Fleet:
    """All nodes. From the time `storm`, which callers may set, every audited setting has drifted on every node."""

    def __init__(self, scrapes, nodes, interval):
        self.shapes = {name: of_situation.shape for name, of_situation in scrapes.items()}
        self.pages = {name: Page(of_situation) for name, of_situation in scrapes.items()}
        self.drifting = self.pages["quiet"].with_gauges_of(self.pages["drift"])
        self.storming = {name: page.with_gauges_of(self.pages["storm"]) for name, page in self.pages.items()}
        self.interval = interval
        self.began = time.time()
        self.nodes = [Node(number, self.began, interval) for number in range(nodes)]
        self.storm = multiprocessing.Value("d", float("inf"))

    def page(self, node, turns, now):
        if now >= self.storm.value:
            return self.storming[node.situation]
        if node.comes_and_goes and node.situation == "quiet" and turns // COMING % 2:
            return self.drifting
        return self.pages[node.situation]

    def scrape(self, number, now):
        """Response of node `number` at `now`; None if it is down."""
        node = self.nodes[number]
        turns = int((now - self.began) / self.interval)
        return None if node.is_down else self.page(node, turns, now).text(node, turns, now)

    def serve(self):
        """Returns a process that serves scrapes; stop it with terminate()."""
        listener = socket.create_server(("0.0.0.0", PORT), backlog=1024)
        def run():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            asyncio.run(self._serve(listener))

        process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
        process.start()
        listener.close()
        return process

    async def _serve(self, listener):
        server = await asyncio.start_server(self._answer, sock=listener)
        await server.serve_forever()

    async def _answer(self, reader, writer):
        number = int(ipaddress.IPv4Address(writer.get_extra_info("sockname")[0])) - FIRST
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                text = self.scrape(number, time.time())
                if text is None:
                    break
                body = text.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                             b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
