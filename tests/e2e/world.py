# SPDX-License-Identifier: Apache-2.0
"""The netns directories of a host as made by a test. Every operation changes the real directories and the model alike, so
that expectations do not depend on the daemon."""

import errno
import os
import subprocess

from harness import CLONE_NEWNET, MNT_DETACH, MS_BIND, NETNS_DIR, call, in_thread, mount
from netns_life import BRIDGE, INTERFACE, Netns, ExpectedSetting, settings_of

CLONE_NEWNS, MS_MOVE, UMOUNT_NOFOLLOW = 0x20000, 0x2000, 8
DIRECTORIES = [NETNS_DIR, "/run/second"]


class Entry:
    """A name: the entry there, and the mounts on it, the last one on top. A mount other than a governable netns counts as
    None."""

    def __init__(self, kind):
        self.kind = kind
        self.mounts = []


class World:
    def __init__(self, witness):
        self.witness = witness
        self.made = self.replaced_count = 0
        self.fillers = []
        self.journal = []  # changes, and the names concerned
        self.netns = []  # all that are not known to be dead
        self.layers = {path: [{}] for path in DIRECTORIES}  # a mount over a directory hides its entries
        self.aside = []  # (path, names) of directories that were moved away
        self.policies = []  # in force, or about to be
        self.recent_policies = []  # all since the last verdict
        self.recent_names = {}  # likewise, {label of a netns: the sets of names that it had}
        for path in DIRECTORIES:
            os.makedirs(path, exist_ok=True)

    # The current state and the owed settings.

    def top(self, directory):
        return self.layers[directory][-1]

    def entries(self):
        """All reachable entries: (directory, name, entry)."""
        return [(path, name, entry) for path in DIRECTORIES for name, entry in self.top(path).items()]

    def referenced(self):
        """Netns that the directories keep alive, visible or hidden."""
        everywhere = [names for layers in self.layers.values() for names in layers] + [names for _, names in self.aside]
        return {netns for names in everywhere for entry in names.values() for netns in entry.mounts if netns}

    def visible(self):
        """{netns: [(label as bytes, name)]}, the shown name first."""
        found = {}
        for path, name, entry in self.entries():
            if entry.mounts and entry.mounts[-1]:
                label = name if path == DIRECTORIES[0] else os.fsencode(path) + b"/" + name
                found.setdefault(entry.mounts[-1], []).append((label, name))
        return {netns: sorted(names) for netns, names in found.items()}

    def note(self, *what):
        """Called after each change: `what` describes it in the story."""
        self.journal.append(" ".join(map(str, what)))
        for netns, names in self.visible().items():
            self.recent_names.setdefault(netns.label, set()).add(frozenset(name for _, name in names))

    def govern_by(self, policies):
        self.policies = policies
        self.recent_policies.append(policies)
        self.note("govern by", [policy.name for policy in policies])

    def reset_history(self):
        """Called after each verdict."""
        self.recent_policies, self.recent_names = [self.policies], {}
        self.note("all judged")

    def may_be_written(self, netns, key):
        """Since the last verdict. The daemon may notice a removed name, a new one and a policy change in any order: so any
        policy counts with any one name, unless the names stayed the same."""
        sets = self.recent_names.get(netns, ())
        choices = sets if len(sets) < 2 else [[name] for name in frozenset().union(*sets)]
        none = ExpectedSetting("", "", "")
        return any(settings_of(policies, names)[0].get(key, none).mode == "enforce"
                   for policies in self.recent_policies for names in choices)

    # Operations.

    def take_free_numbers(self, count):
        """Hidden netns that use up the low inode numbers: the kernel assigns the lowest free one, so a later death frees the
        next."""
        def make():
            call("unshare", CLONE_NEWNET)
            self.fillers.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        for _ in range(count):
            in_thread(make)

    def make_netns(self):
        self.made += 1
        netns = Netns(f"netns-{self.made}", self.witness)
        netns.create()
        self.netns.append(netns)
        return netns

    @staticmethod
    def path(directory, name):
        return os.path.join(os.fsencode(directory), name)

    def place(self, directory, name, kind="file"):
        path = self.path(directory, name)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            os.mkdir(path)
        elif kind == "device":
            os.mknod(path, 0o20600, os.makedev(1, 3))
        elif kind == "socket":
            os.mknod(path, 0o140600)
        elif kind.startswith("/"):
            os.symlink(kind, path)
        else:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0)
            os.write(fd, b"" if kind == "file" else b"content\n")
            os.close(fd)
        self.top(directory)[name] = Entry(kind)

    def mount(self, directory, name, netns):
        """A netns, or a path of another nsfs file."""
        if isinstance(netns, Netns):
            source = f"/proc/self/fd/{netns.kept}" if netns.kept >= 0 else self.path_to(netns)
        else:
            source, netns = netns, None
        mount(source, self.path(directory, name), b"none", MS_BIND)
        self.top(directory)[name].mounts.append(netns)
        self.note("mount", directory, name, netns or source)

    def path_to(self, netns):
        return next(self.path(path, name) for path, name, entry in self.entries() if entry.mounts[-1:] == [netns])

    def unmount(self, directory, name, flags=MNT_DETACH):
        call("umount2", self.path(directory, name), flags)
        self.note("unmount", directory, name, self.top(directory)[name].mounts.pop())

    def unlink(self, directory, name):
        entry = self.top(directory)[name]
        (os.rmdir if entry.kind == "directory" else os.unlink)(self.path(directory, name))
        del self.top(directory)[name]
        self.note("unlink", directory, name)

    def remove(self, directory, name):
        while self.top(directory)[name].mounts:
            self.unmount(directory, name)
        self.unlink(directory, name)

    def move_mount(self, directory, name, to_directory, to_name):
        mount(self.path(directory, name), self.path(to_directory, to_name), None, MS_MOVE)
        self.top(to_directory)[to_name].mounts.append(self.top(directory)[name].mounts.pop())
        self.note("move", directory, name, to_directory, to_name, self.top(to_directory)[to_name].mounts)

    def elsewhere(self, paths, function):
        """Calls function in a mount namespace where nothing is mounted on the paths, so that it may unlink or rename them.
        Here, mounts on unlinked names are removed, and mounts on renamed ones move along."""
        def run():
            call("unshare", CLONE_NEWNS)
            for path in paths:
                try:
                    while True:
                        call("umount2", path, MNT_DETACH | UMOUNT_NOFOLLOW)
                except OSError as error:
                    if error.errno not in (errno.EINVAL, errno.ENOENT):
                        raise
            function()

        in_thread(run)

    def unlink_elsewhere(self, directory, name):
        path = self.path(directory, name)
        self.elsewhere([path], lambda: os.unlink(path))
        self.note("unlink elsewhere", directory, name, self.top(directory).pop(name).mounts)

    def rename_elsewhere(self, directory, name, to_name):
        paths = self.path(directory, name), self.path(directory, to_name)
        self.elsewhere(paths, lambda: os.rename(*paths))
        gone = self.top(directory).get(to_name)
        self.top(directory)[to_name] = entry = self.top(directory).pop(name)
        self.note("rename elsewhere", directory, name, to_name, entry.mounts, "over", gone and gone.mounts)

    def cover(self, directory):
        mount("tmpfs", directory, b"tmpfs")
        self.layers[directory].append({})
        self.note("cover", directory)

    def uncover(self, directory):
        call("umount2", os.fsencode(directory), MNT_DETACH)
        self.layers[directory].pop()
        self.note("uncover", directory)

    def put_aside(self, directory):
        """The directory is replaced by an empty one."""
        self.replaced_count += 1
        path = f"/run/aside-{self.replaced_count}"
        os.rename(directory, path)
        os.mkdir(directory)
        self.aside.append((path, self.top(directory)))
        self.layers[directory][-1] = {}
        self.note("put aside", directory, path)

    def bring_back(self, directory, index):
        """Replaces an empty one by one rename."""
        path, names = self.aside.pop(index)
        os.rename(path, directory)
        self.layers[directory][-1] = names
        self.note("bring back", directory, path)

    def inside(self, netns, function):
        fd = os.open(self.path_to(netns), os.O_RDONLY | os.O_CLOEXEC) if netns.kept < 0 else os.dup(netns.kept)

        def run():
            call("setns", fd, CLONE_NEWNET)
            function()

        try:
            in_thread(run)
        finally:
            os.close(fd)

    def add_interface(self, netns):
        def add():
            subprocess.run(["ip", "link", "add", INTERFACE, "type", "bridge"], check=True)
            netns.open_keys()

        self.inside(netns, add)

    def delete_interface(self, netns):
        netns.old_fds.append(netns.fds.pop(BRIDGE))
        self.inside(netns, lambda: subprocess.run(["ip", "link", "delete", INTERFACE], check=True))

    def keep(self, netns):
        """By a file outside the mounts here: a file on one of them would also keep alive those stacked on the same one."""
        def keep():
            netns.kept = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self.inside(netns, keep)

    def problems(self):
        """Differences between model and directories: a bug of the test."""
        found = []
        for path in DIRECTORIES:
            there = set(os.listdir(os.fsencode(path)))
            if there != set(self.top(path)):
                found.append(f"model: {path} has {sorted(there)}, not {sorted(self.top(path))}")
        for path, name, entry in self.entries():
            if entry.mounts and entry.mounts[-1]:
                inode = os.stat(self.path(path, name)).st_ino
                if inode != entry.mounts[-1].inode:
                    found.append(f"model: {path} {name} leads to inode {inode}, not {entry.mounts[-1]}")
        return found

    def close(self):
        """Unmounts everything, from the top; only the model knows the order."""
        for directory in DIRECTORIES:
            while len(self.layers[directory]) > 1:
                self.uncover(directory)
        for path, names in [*((path, self.top(path)) for path in DIRECTORIES), *self.aside]:
            for name, entry in names.items():
                for _ in entry.mounts:
                    call("umount2", self.path(path, name), MNT_DETACH)
        for netns in self.netns:
            netns.close()
        for fd in self.fillers:
            os.close(fd)
