# SPDX-License-Identifier: Apache-2.0
"""The routers of lab.py with the programs of real HA routers: keepalived (VRRP) moves the addresses, configured as by
Neutron, or conntrackd synchronises the connection tables."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from lab import ADDRESSES, Lab, Router, links, run, run_in

import harness
from harness import wait_until

LINK = {"a": "169.254.192.1", "b": "169.254.192.2"}

KEEPALIVED = """global_defs {{
    vrrp_no_swap
}}
vrrp_instance VR_1 {{
    state BACKUP
    interface ha-link
    virtual_router_id 1
    priority 50
    garp_master_delay 60
    nopreempt
    advert_int 2
    track_interface {{
        ha-link
    }}
    virtual_ipaddress {{
        169.254.0.1/24 dev ha-link
    }}
    virtual_ipaddress_excluded {{
        {qr}/24 dev qr-lan no_track
        {qg}/24 dev qg-wan no_track
    }}
}}
"""

CONNTRACKD = """Sync {{
    Mode FTFW {{
    }}
    UDP {{
        IPv4_address {own}
        IPv4_Destination_Address {peer}
        Port 3780
        Interface ha-link
        Checksum on
    }}
}}
General {{
    HashSize 1024
    HashLimit 8192
    LockFile {directory}/lock
    UNIX {{
        Path {directory}/socket
    }}
    NetlinkBufferSize 2097152
    Filter From Userspace {{
        Protocol Accept {{
            TCP
        }}
    }}
}}
"""


class Program(Router):
    """A router with its own daemon, whose files are in `directory`."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.directory = tempfile.mkdtemp(dir="/mnt")  # removed with the namespaces, however they end
        self.process = None

    def write(self, text):
        path = os.path.join(self.directory, "conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def spawn(self, *command):
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(["ip", "netns", "exec", self.name, *command], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)

    def end(self, number=signal.SIGTERM):
        if self.process:
            os.killpg(self.process.pid, number)
            self.process.wait(harness.DEADLINE)
            self.process = None
            self.log.close()

    def close(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait(self, condition, what):
        def check():
            assert self.process.poll() is None, f"{self.name} before {what}: {self.log_tail()}"
            return condition()

        wait_until(check, lambda: f"{self.name}: {what}: {self.log_tail()}")

    def log_tail(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def has_addresses(self):
        return all(address + "/24" in run("ip", "-n", self.name, "-4", "-br", "addr", "show", "dev", interface)
                   for interface, address in ADDRESSES.items())


class Keepalived(Program):
    def start(self):
        path = self.write(KEEPALIVED.format(qr=ADDRESSES["qr-lan"], qg=ADDRESSES["qg-wan"]))
        self.spawn("keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", f"--use-file={path}",
                   f"--pid={self.directory}/pid", f"--vrrp_pid={self.directory}/vrrp_pid")

    def take_over(self):
        self.wait(self.has_addresses, "has the addresses")

    def release(self):
        """Restarts it, as by a restart of its service: it announces its end, and the other one takes over."""
        self.end()
        assert not self.has_addresses()
        self.start()


class Dying(Keepalived):
    def release(self):
        """Fails without notice. Its netns remains, unreachable, with all its addresses."""
        self.end(signal.SIGKILL)
        links(self.name, *(f"link set {interface} down" for interface in ADDRESSES))


class Synchronised(Program):
    """conntrackd, notified of each takeover as by Neutron: after the addresses have been added or removed."""

    late = 0.0  # seconds

    def start(self):
        own = self.name[-1]
        self.path = self.write(CONNTRACKD.format(own=LINK[own], peer=LINK["a" if own == "b" else "b"], directory=self.directory))
        self.spawn("conntrackd", "-C", self.path)
        self.wait(lambda: os.path.exists(f"{self.directory}/socket"), "conntrackd listens")

    def ask(self, *options):
        for option in options:
            run_in(self.name, "conntrackd", "-C", self.path, option)

    def take_over(self):
        super().take_over()
        time.sleep(self.late)
        self.ask("-c", "-f", "-R", "-B")

    def release(self):
        super().release()
        self.ask("-t", "-n")


class SynchronisedLate(Synchronised):
    late = 0.5


class HaLab(Lab):
    """With a link between the routers."""

    patience = 120  # seconds: after 8 s of silence a hanging stream retransmits at 12.6, 25.4 and 51 s

    def __init__(self, name, kind, **options):
        self.kind_of_router = kind
        super().__init__(name, **options)

    def __enter__(self):
        super().__enter__()
        try:
            links(self.a.name, f"link add ha-link type veth peer name ha-link netns {self.b.name}")
            for router in (self.a, self.b):
                links(router.name, "link set lo up", f"addr add {LINK[router.name[-1]]}/24 dev ha-link", "link set ha-link up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for router in (self.a, self.b):
            router.close()
        super().__exit__()
