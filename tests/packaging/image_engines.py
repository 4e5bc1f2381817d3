# SPDX-License-Identifier: Apache-2.0
"""Container engines for image_checks.py, on a host that consists of a mount and a network namespace. Standard library only."""

import json
import os
import re
import shutil
import subprocess
import time

DEADLINE = 60  # seconds to wait: the machine may be busy


def wait_until(condition, what, deadline=DEADLINE, pause=0.02):
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what() if callable(what) else what}")
        time.sleep(pause)


def run(*command, check=True):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done


def enter_host_namespaces():
    """In new namespaces, as systemd leaves a host: /run is a tmpfs, and every mount propagates."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/netns")
    run("mount", "--make-rshared", "/")
    run("ip", "link", "set", "lo", "up")
    # crun takes a cgroup2 that is mounted beside the older hierarchies for the only one.
    if os.path.exists("/sys/fs/cgroup/unified"):
        run("umount", "/sys/fs/cgroup/unified", check=False)


def remove_cgroups(name):
    """Removes an engine's leftovers in the older hierarchies, once they are empty."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        left = 0
        for hierarchy in os.listdir("/sys/fs/cgroup"):
            for directory, _, _ in os.walk(os.path.join("/sys/fs/cgroup", hierarchy, name), topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    left += 1
        if left == 0:
            return
        time.sleep(0.1)


class Podman:
    name = "podman"
    tmpfs = ("--mount", "type=tmpfs,destination=/run/nswarden,tmpfs-mode=0700,U=true")

    def __init__(self, image, _work, storage):
        self.image = image
        self.base = ["podman", *storage, "--cgroup-manager", "cgroupfs", "--log-level", "error"]
        # Its default limits exceed those that a machine may allow.
        self.run_flags = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096",
                          "--health-interval", "disable"]  # its timers are systemd's

    def stop(self):
        remove_cgroups("libpod_parent")


class Docker:
    name = "docker"
    tmpfs = ("--tmpfs", "/run/nswarden:mode=0700,uid=9100,gid=9100")
    run_flags = []

    def __init__(self, image, work, _storage):
        self.image = image
        self.directory = os.path.join(work, "docker")
        os.makedirs(self.directory)
        socket = os.path.join(self.directory, "socket")
        with open(os.path.join(self.directory, "log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", os.path.join(self.directory, "data"), "--exec-root", os.path.join(self.directory, "exec"),
                 "--pidfile", os.path.join(self.directory, "pid"), "--host", "unix://" + socket, "--iptables=false", "--bridge=none",
                 "--storage-driver=overlay2"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.base = ["docker", "--host", "unix://" + socket]
        try:
            wait_until(self.is_up, self.log)
            run(*self.base, "load", "--input", os.path.join(work, "image.tar"))
        except BaseException:
            self.stop()
            raise

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as log:
            return "dockerd does not answer:\n" + log.read()[-3000:]

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log())
        return run(*self.base, "info", check=False).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        run("umount", "-R", os.path.join(self.directory, "data"), check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        remove_cgroups("docker")


ENGINES = {engine.name: engine for engine in (Podman, Docker)}


class Container:
    """A running container, or one that has ended by itself. Flags are common to both engines."""

    def __init__(self, engine, flags, arguments=()):
        self.base = engine.base
        done = run(*self.base, "run", "--detach", *engine.run_flags, *flags, engine.image, *arguments)
        self.id = re.findall(r"^[0-9a-f]{64}$", done.stdout, re.MULTILINE)[-1]

    def state(self):
        return json.loads(run(*self.base, "inspect", self.id).stdout)[0]["State"]

    def pid(self):
        return wait_until(lambda: self.state()["Pid"], self.log)

    def log(self):
        return run(*self.base, "logs", self.id).stdout

    def exit_code(self):
        wait_until(lambda: self.state()["Status"] == "exited", self.log)
        return self.state()["ExitCode"]

    def execute(self, *command):
        return run(*self.base, "exec", self.id, *command, check=False)

    def get(self, path):
        """An HTTP request inside its network namespace; status and body, or None."""
        program = ("import sys, urllib.request, urllib.error\n"
                   "try:\n  answer = urllib.request.urlopen('http://127.0.0.1:10042' + sys.argv[1], timeout=5)\n"
                   "except urllib.error.HTTPError as error:\n  answer = error\n"
                   "print(answer.status)\nprint(answer.read().decode(), end='')\n")
        done = run("nsenter", "--net=/proc/%d/ns/net" % self.pid(), "/usr/bin/python3", "-c", program, path, check=False)
        if done.returncode != 0:
            return None
        code, _, body = done.stdout.partition("\n")
        return int(code), body

    def ready(self):
        """The body of /-/ready once it succeeds."""
        def answer():
            if self.state()["Status"] == "exited":
                raise AssertionError("it has ended:\n" + self.log())
            got = self.get("/-/ready")
            return got and got[0] == 200 and got[1]
        return wait_until(answer, self.log)

    def remove(self):
        run(*self.base, "rm", "--force", self.id, check=False)
