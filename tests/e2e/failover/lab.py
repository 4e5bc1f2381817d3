# SPDX-License-Identifier: Apache-2.0
"""A router on two nodes, one of which has its addresses: an HA router in OpenStack's terms, without OpenStack.

    client netns            router netns A                     server netns
    10.0.0.10      +----- qr-lan 10.0.0.1 | qg-wan 203.0.113.1 -----+      203.0.113.10
    bridge --------|        router netns B                          |----- bridge
                   +----- qr-lan (none)   | qg-wan (none) ----------+

Both routers have the same two MACs and the same SNAT rule. A takeover moves the addresses and notifies the bridges by gratuitous ARP, as
keepalived does. No IPv6, so that the router without addresses stays silent. Needs harness.isolate().
"""

import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import harness
from harness import NETNS_DIR, add_netns, delete_netns, inside, put, write_here
from streams import PACE, Streams

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
CLIENT, TWIN, SERVER = "10.0.0.10", "10.0.0.11", "203.0.113.10"
ADDRESSES = {"qr-lan": "10.0.0.1", "qg-wan": "203.0.113.1"}
MACS = {"qr-lan": "fa:16:3e:00:00:01", "qg-wan": "fa:16:3e:00:00:02"}
SNAT = f"snat to {ADDRESSES['qg-wan']}"


def run(*command, text=""):
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", timeout=harness.DEADLINE, check=False)
    assert done.returncode == 0, f"{command} {text}: {done.stderr}"
    return done.stdout


def links(netns, *lines):
    run("ip", "-n", netns, "-batch", "-", text="\n".join(lines))


def without_ipv6():
    for which in ("all", "default"):
        with contextlib.suppress(FileNotFoundError):  # not in this kernel
            write_here(f"net.ipv6.conf.{which}.disable_ipv6", 1)


def run_in(netns, *command, text=""):
    return run("ip", "netns", "exec", netns, *command, text=text)


class Router:
    def __init__(self, name, translation, rules, preset):
        """`preset` holds keys and values that are set before its name is mounted."""
        self.name, self.translation, self.rules, self.preset = name, translation, rules, preset

    def _prepare(self):
        without_ipv6()
        for key, value in self.preset.items():
            write_here(key, value)

    def make(self, client, server):
        """Sets them one after the other, as an agent does, while a daemon watches."""
        add_netns(self.name, prepare=self._prepare)
        put(self.name, "net.ipv4.ip_forward", 1)
        for interface, mac, other in (("qr-lan", MACS["qr-lan"], client), ("qg-wan", MACS["qg-wan"], server)):
            port = "to-" + self.name[-1]
            links(other, f"link add {port} type veth peer name {interface} address {mac} netns {self.name}",
                  f"link set {port} master bridge up")
            links(self.name, f"link set {interface} up")
        run_in(self.name, "nft", "-f", "-", text=f"""
            table ip nat {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname "qg-wan" {self.translation}
                }}
            }}
            {self.rules}""")

    def start(self):
        """No program runs in it here."""

    def release(self):
        links(self.name, *(f"addr del {address}/24 dev {interface}" for interface, address in ADDRESSES.items()))

    def take_over(self):
        links(self.name, *(f"addr add {address}/24 dev {interface}" for interface, address in ADDRESSES.items()))
        inside(self.name, self._announce)

    def _announce(self):
        """Gratuitous ARP, by which the bridges learn the port of the MAC."""
        for interface, address in ADDRESSES.items():
            mac, ip = bytes.fromhex(MACS[interface].replace(":", "")), socket.inet_aton(address)
            arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, ip, bytes(6), ip)
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
                packet.bind((interface, 0))
                packet.send(b"\xff" * 6 + mac + b"\x08\x06" + arp)

    def set(self, **values):
        for name, value in values.items():
            put(self.name, {"loose": LOOSE, "liberal": LIBERAL}[name], value)


class Lab:
    """Netns are named after `name`: qrouter-NAME-a and -b, client-NAME, server-NAME."""

    patience = harness.DEADLINE
    kind_of_router = Router

    def __init__(self, name, translation=SNAT, rules="", preset_b=(), way_back=False, inward=False, quiet=True, streams=()):
        self.client, self.server = f"client-{name}", f"server-{name}"
        self.a, self.b = (self.kind_of_router(f"qrouter-{name}-{node}", translation, rules, dict(preset_b if node == "b" else ()))
                          for node in "ab")
        self.kind_of_streams = dict(streams)
        self.streams = None
        self.way_back = way_back  # the server has a route to 10.0.0.0/24 and answers untranslated packets
        self.inward = inward  # the netns "server" opens the connections, to the router's outside address
        self.quiet = quiet  # nothing is in flight when addresses move; else they move at any moment

    def __enter__(self):
        try:
            for netns, address in ((self.client, CLIENT), (self.server, SERVER)):
                add_netns(netns, prepare=without_ipv6)
                links(netns, "link set lo up", "link add bridge type bridge", f"addr add {address}/24 dev bridge", "link set bridge up")
            for router in (self.a, self.b):
                router.make(self.client, self.server)
            links(self.client, f"addr add {TWIN}/24 dev bridge", f"route add default via {ADDRESSES['qr-lan']}")
            if self.way_back:
                links(self.server, f"route add default via {ADDRESSES['qg-wan']}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.streams:
            self.streams.close()
        for name in (self.client, self.server, self.a.name, self.b.name):
            if os.path.exists(os.path.join(NETNS_DIR, name)):
                delete_netns(name)

    def begin(self):
        """Streams through A that carry traffic."""
        self.a.start()
        self.a.take_over()
        self.b.start()
        ends = [lambda make: inside(self.client, make), lambda make: inside(self.server, make), SERVER, SERVER]
        if self.inward:
            ends = [ends[1], ends[0], CLIENT, ADDRESSES["qg-wan"]]
        self.streams = Streams(*ends, patience=self.patience, **self.kind_of_streams)
        self.streams.wait_flowing()

    def move(self, source, target, between=lambda: None):
        """Moves the addresses from one router to the other; in the gap each stream loses its segments. `between` runs in the
        gap."""
        if self.quiet:
            self.streams.hold()
        else:
            time.sleep(random.uniform(0, PACE))
        source.release()
        self.streams.go_on()
        between()
        self.streams.wait_sending()
        target.take_over()
        self.streams.mark()
