# SPDX-License-Identifier: Apache-2.0
"""Fetches Debian packages by apt, which checks their signatures, and makes disks of them for machine.py. Reads the mirrors from the
apt sources of this system. All other state of apt is separate: lists, cache, and a package database in which no package is installed."""

import glob
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile

APT = "/etc/apt"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Kernel: the release of Debian that has it.
KERNELS = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "trixie-backports"}
IMAGE = "linux-image-cloud-amd64"  # depends on the newest image of a release
PARTS = re.compile(r"linux-(image|binary|modules|base)-[0-9]")  # since 7.x the files of an image are in several packages
# Modules to mount the root; the others are loaded from there.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")

ROOT_PACKAGES = ("base-files", "base-passwd", "bash", "busybox-static", "conntrack", "coreutils", "curl", "dash", "findutils", "gawk",
                 "grep", "iproute2", "kmod", "libc-bin", "libcap2-bin", "mount", "nftables", "openssl", "procps", "python3", "sed", "tar",
                 "util-linux")
NEEDLESS = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info", "./usr/share/perl*")


class Unavailable(Exception):
    """The packages cannot be had here, for example because there is no network."""


def release():
    """The code name of this system's release: binaries built here run on its libraries."""
    with open("/etc/os-release", encoding="utf-8") as file:
        match = re.search(r'^VERSION_CODENAME="?(\w+)', file.read(), re.MULTILINE)
    if not match:
        raise Unavailable("this is not a release of Debian")
    return match[1]


def sources():
    """(URI, suite) of the component main of this system's binary packages."""
    found = []
    folder = os.path.join(APT, "sources.list.d")
    paths = [os.path.join(APT, "sources.list")]
    paths += [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    for path in paths:
        if not os.path.exists(path) or not path.endswith((".list", ".sources")):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".list"):
            for line in re.findall(r"^deb\s+(.*)", text, re.MULTILINE):
                words = re.sub(r"\[[^]]*\]", "", line).split()
                found += [(words[0], words[1])] if "main" in words[2:] else []
            continue
        for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
            parts = re.findall(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.MULTILINE)
            fields = {name.lower(): value.split() for name, value in parts}
            if "deb" in fields.get("types", ()) and "main" in fields.get("components", ()) and "no" not in fields.get("enabled", ()):
                found += [(uri, suite) for uri in fields.get("uris", ()) for suite in fields.get("suites", ())]
    return found


def sources_of(suite):
    """Lines of a sources.list for `suite`, from the mirrors that this system uses for its own release."""
    here, base = release(), suite.removesuffix("-backports")
    wanted = {"": [base] + ([suite] if suite != base else []), "-security": [f"{base}-security"]}
    lines = [f"deb [signed-by={KEYRING}] {uri} {name} main" for uri, used in sources() for kind, names in wanted.items()
             if used == here + kind for name in names]
    if not lines:
        raise Unavailable(f"no apt source of this system is for {here}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


class Apt:
    """A package database of `suite` in the folder `work`, in which no package is installed."""

    def __init__(self, suite, work):
        self.suite, self.work = suite, work
        for folder in ("lists/partial", "cache/archives/partial", "debs"):
            os.makedirs(f"{work}/{folder}")
        with open(f"{work}/status", "w", encoding="ascii"):
            pass
        with open(f"{work}/sources.list", "w", encoding="utf-8") as file:
            file.write(sources_of(suite))
        with open(f"{work}/apt.conf", "w", encoding="utf-8") as file:
            file.write(f"""#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::State::extended_states "{work}/extended_states";
Dir::Cache "{work}/cache";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
APT::Get::AllowUnauthenticated "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Debug::NoLocking "true";
""")
        # One source of several may fail, such as that of a third party. apt takes packages of verified sources only.
        self.trouble = self.apt_get("update").stderr

    def apt_get(self, *arguments):
        return subprocess.run(["apt-get", "-c", f"{self.work}/apt.conf", "-q", *arguments], cwd=f"{self.work}/debs", check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
                              env={**os.environ, "LC_ALL": "C.UTF-8"})

    def run(self, *arguments):
        done = self.apt_get(*arguments)
        if done.returncode:
            lines = [*self.trouble.strip().splitlines()[-3:], *done.stderr.strip().splitlines()[-3:]]
            raise Unavailable(f"apt-get for {self.suite}:\n" + "\n".join(lines))
        return done.stdout

    def fetch(self, packages, wanted=lambda name: True):
        """The paths of the packages and all their dependencies, restricted to wanted names."""
        target = ["-t", self.suite] if self.suite.endswith("-backports") else []
        plan = self.run("-s", *target, "install", *packages)
        found = re.findall(r"^Inst (\S+) \((\S+) ", plan, re.MULTILINE)
        self.run("download", *[f"{name}={version}" for name, version in found if wanted(name)])
        return sorted(os.path.join(self.work, "debs", name) for name in os.listdir(f"{self.work}/debs"))


def unpack(paths, root):
    for name in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{root}/usr/{name}")
        os.symlink(f"usr/{name}", f"{root}/{name}")
    for path in paths:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE) as deb:
            exclude = [f"--exclude={name}" for name in NEEDLESS]
            subprocess.run(["tar", "-C", root, "-xp", "--keep-directory-symlink", *exclude], stdin=deb.stdout, check=True)
        if deb.returncode:
            raise subprocess.CalledProcessError(deb.returncode, deb.args)


def make_disk(folder, path, room):
    """An ext4 image of the folder, with `room` bytes to spare."""
    size = int(subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, check=True).stdout.split()[0])
    with open(path, "wb") as file:
        file.truncate(size * 5 // 4 + room)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", folder, path], stdout=subprocess.DEVNULL, check=True)


def kept(path, make):
    """Makes the folder `path` as a whole, unless it exists, by make(folder, folder for temporary files)."""
    if os.path.isdir(path):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making.", dir=os.path.dirname(path)) as work:
        os.mkdir(f"{work}/made")
        make(f"{work}/made", work)
        try:
            os.rename(f"{work}/made", path)
        except OSError:
            if not os.path.isdir(path):  # made by a concurrent test
                raise
    return path


def root(folder):
    """A folder with the disk of this system's release, `root`, and `busybox`; another one when this file has changed."""
    def make(made, work):
        tree = f"{work}/root"
        unpack(Apt(release(), f"{work}/apt").fetch(ROOT_PACKAGES), tree)
        # Done by scripts of packages, which do not run here.
        for name in ("passwd", "group"):
            shutil.copy(f"{tree}/usr/share/base-passwd/{name}.master", f"{tree}/etc/{name}")
        for link, target in (("bin/sh", "dash"), ("usr/bin/awk", "gawk")):
            if not os.path.lexists(f"{tree}/{link}"):
                os.symlink(target, f"{tree}/{link}")
        with open(f"{tree}/etc/hosts", "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost\n::1 localhost\n")
        for name in ("mnt", "usr/lib/modules"):
            os.makedirs(f"{tree}/{name}", exist_ok=True)
        (python,) = glob.glob(f"{tree}/usr/lib/python3.*")
        # Bytecode only makes the guest faster.
        subprocess.run(["/usr/bin/python3", "-m", "compileall", "-qq", "-s", tree, "-p", "/", python], check=False)
        shutil.copy(f"{tree}/bin/busybox", f"{made}/busybox")
        make_disk(tree, f"{made}/root", 512 << 20)

    with open(__file__, "rb") as file:
        version = hashlib.sha256(file.read()).hexdigest()[:8]
    return kept(os.path.join(folder, f"{release()}-{version}"), make)


def kernel(name, folder):
    """A folder with `vmlinuz`, `version`, the disk `modules`, and `boot/` with those that mount a root, in the order to load them."""
    def make(made, work):
        tree = f"{work}/kernel"
        unpack(Apt(KERNELS[name], f"{work}/apt").fetch([IMAGE], PARTS.match), tree)
        (version,) = os.listdir(f"{tree}/lib/modules")
        (image,) = [path for path in (f"{tree}/boot/vmlinuz-{version}", f"{tree}/lib/modules/{version}/vmlinuz") if os.path.exists(path)][:1]
        shutil.copy(image, f"{made}/vmlinuz")
        with open(f"{made}/version", "w", encoding="ascii") as file:
            file.write(version + "\n")
        subprocess.run(["depmod", "-b", tree, version], check=True)
        os.mkdir(f"{made}/boot")
        loads = subprocess.run(["modprobe", "-d", tree, "-S", version, "--show-depends", "-a", *BOOT_MODULES], capture_output=True,
                               check=True, encoding="utf-8").stdout
        for number, path in enumerate(dict.fromkeys(re.findall(r"^insmod (\S+)", loads, re.MULTILINE))):
            opened = {".xz": lzma.open, ".gz": gzip.open}.get(os.path.splitext(path)[1], open)(path, "rb")
            with opened as file, open(f"{made}/boot/{number:02}-{os.path.basename(path).split('.ko')[0]}", "wb") as out:
                shutil.copyfileobj(file, out)
        make_disk(f"{tree}/lib/modules", f"{made}/modules", 16 << 20)

    return kept(os.path.join(folder, f"kernel-{name}"), make)
