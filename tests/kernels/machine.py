# SPDX-License-Identifier: Apache-2.0
"""A virtual machine of qemu that runs guest.py under a kernel of packages.py. Uses KVM where it starts a guest, else emulation."""

import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
KVM, EMULATED = ["-accel", "kvm", "-cpu", "host"], ["-accel", "tcg,thread=multi", "-cpu", "max"]
SILENT = 8  # seconds until KVM without a sign of life is given up; the first one comes within one second
# Of the guest's own C library.
OWN_LIBRARIES = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util))\.so.*")


def cpio(entries):
    """An archive for the kernel to boot from, of (name, mode, content)."""
    out = b""
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0", content):
            out += part + bytes(-len(part) % 4)
    return out


def read(path):
    with open(path, "rb") as file:
        return file.read()


def initrd(root, kernel):
    entries = [("init", stat.S_IFREG | 0o755, read(f"{HERE}/guest_init")), ("busybox", stat.S_IFREG | 0o755, read(f"{root}/busybox")),
               ("root", stat.S_IFDIR | 0o755, b""), ("boot", stat.S_IFDIR | 0o755, b"")]
    entries += [(f"boot/{name}", stat.S_IFREG | 0o644, read(f"{kernel}/boot/{name}")) for name in sorted(os.listdir(f"{kernel}/boot"))]
    return cpio(entries)


def libraries(binary):
    """{name: path} of the shared libraries, except the C library."""
    text = subprocess.run(["ldd", binary], capture_output=True, check=True, encoding="utf-8").stdout
    return {name: path for name, path in re.findall(r"^\s*(\S+) => (/\S+)", text, re.MULTILINE) if not OWN_LIBRARIES.fullmatch(name)}


def archive(path, binary, netns_tests, plan):
    """The binaries and the tests, for the root of the guest, with the plan of guest.py."""
    needed = {**libraries(binary), **libraries(netns_tests)}
    files = {f"usr/local/lib/{name}": file for name, file in needed.items()}
    files |= {f"job/{name}": f"{HERE}/{name}" for name in ("guest_boot", "guest.py", "sysctl.conf")}
    files |= {"job/nswarden": binary, "job/netns_tests": netns_tests, "job/tests/e2e": f"{HERE}/../e2e",
              "job/docs/log-messages.md": f"{HERE}/../../docs/log-messages.md", "job/plan": f"{path}.plan"}
    with open(f"{path}.plan", "w", encoding="utf-8") as file:
        json.dump(plan, file)
    if promtool := shutil.which("promtool"):
        files["usr/local/bin/promtool"] = promtool
    with tarfile.open(path, "w") as tar:
        for name, file in files.items():
            tar.add(os.path.realpath(file), name, filter=lambda entry: None if "__pycache__" in entry.name else entry)


class Ended(Exception):
    """The guest did not run all tests."""


class Machine:
    def __init__(self, root, kernel, job, work, accelerator):
        self.console_path, self.results_path = f"{work}/console", f"{work}/results"
        with open(f"{work}/initrd", "wb") as file:
            file.write(initrd(root, kernel))
        disks = [f"file={path},format=raw,if=virtio,snapshot=on,cache=unsafe" for path in (f"{root}/root", f"{kernel}/modules", job)]
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *accelerator, "-smp", "2", "-m", "3072", "-display", "none",
                   "-monitor", "none", "-nic", "none", "-no-reboot",
                   "-serial", f"file:{self.console_path}", "-serial", f"file:{self.results_path}",
                   "-kernel", f"{kernel}/vmlinuz", "-initrd", f"{work}/initrd", "-append", "console=ttyS0 panic=-1 random.trust_cpu=on"]
        for disk in disks:
            command += ["-drive", disk]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, "TMPDIR": work})

    def console(self):
        return read(self.console_path).decode("utf-8", "replace") if os.path.exists(self.console_path) else ""

    def starts(self):
        """Whether the kernel prints its first line."""
        end = time.monotonic() + SILENT
        while time.monotonic() < end and self.process.poll() is None:
            if self.console():
                return True
            time.sleep(0.1)
        return False

    def results(self, limit):
        """The results as they arrive; raises Ended after `limit` seconds or when the guest ends early."""
        end, position = time.monotonic() + limit, 0
        while True:
            running = self.process.poll() is None
            text = read(self.results_path)[position:] if os.path.exists(self.results_path) else b""
            for line in text.splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                result = json.loads(line)
                if "end" in result:
                    return
                yield result
            if not running:
                raise Ended("the guest ended before its tests: " + self.process.stdout.read().decode("utf-8", "replace"))
            if time.monotonic() > end:
                raise Ended(f"not within {limit} s")
            time.sleep(0.1)

    def close(self):
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start(root, kernel, job, work):
    """A machine, and whether it uses KVM."""
    if os.access("/dev/kvm", os.W_OK):
        machine = Machine(root, kernel, job, work, KVM)
        if machine.starts():
            return machine, True
        machine.process.kill()
        machine.close()
    return Machine(root, kernel, job, work, EMULATED), False
