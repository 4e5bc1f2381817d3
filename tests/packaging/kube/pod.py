# SPDX-License-Identifier: Apache-2.0
"""A pod of a DaemonSet as the kubelet and containerd would run it, by crun and without a cluster: translates its spec into
mounts, credentials and filters. The caller is in new mount and PID namespaces, whose /run and /proc represent the node's.

Differences from a node: no cgroups (no memory limit), no AppArmor, no SELinux; the seccomp profile is the one of Debian's
golang-github-containers-common, of the same origin as containerd's.
"""

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

from . import rules

SECCOMP = "/usr/share/containers/seccomp.json"
# Paths that containerd hides and write-protects in every unprivileged container.
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
# The image's file capabilities; Kubernetes' are its bounding set.
FILE_CAPABILITIES = "cap_sys_admin,cap_net_admin,cap_net_broadcast,cap_sys_ptrace=p"


def quietly(*command):
    """The exit code. Without pipes: leftovers of a runtime may keep them open."""
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=60).returncode


def image(binary, folder):
    """A root file system with only the binary and its libraries."""
    for name in ("proc", "sys", "dev", "etc", "tmp", "run", "usr/bin"):
        os.makedirs(os.path.join(folder, name))
    target = os.path.join(folder, "usr/bin/nswarden")
    shutil.copy(binary, target)
    os.chmod(target, 0o755)
    subprocess.run(["setcap", FILE_CAPABILITIES, target], check=True)
    for word in subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout.split():
        if word.startswith("/"):
            os.makedirs(folder + os.path.dirname(word), exist_ok=True)
            shutil.copy(word, folder + word)


def seccomp(capabilities):
    """The default profile for a container with these capabilities, in the form of the runtime specification."""
    with open(SECCOMP, encoding="ascii") as file:
        profile = json.load(file)
    rules_of = []
    for entry in profile["syscalls"]:
        includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
        if not set(includes.get("caps", [])) <= set(capabilities) or set(excludes.get("caps", [])) & set(capabilities):
            continue
        if includes.get("arches", ["amd64"]).count("amd64") == 0 or "amd64" in excludes.get("arches", []):
            continue
        rule = {"names": entry["names"], "action": entry["action"], "args": entry.get("args") or []}
        if entry["action"] == "SCMP_ACT_ERRNO":
            rule["errnoRet"] = entry.get("errnoRet", 1)
        rules_of.append(rule)
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules_of}


class ProjectedFolder:
    """A ConfigMap or Secret as the kubelet projects it: FILE -> ..data/FILE, ..data -> ..VERSION, which is replaced by a
    rename."""

    def __init__(self, folder, data, group, mode=0o644):
        self.folder, self.group, self.mode, self.version = folder, group, mode, 0
        os.makedirs(folder)
        os.chown(folder, 0, group)
        os.chmod(folder, 0o2777)
        self.swap(data)

    def swap(self, data):
        self.version += 1
        version = os.path.join(self.folder, f"..version{self.version}")
        os.makedirs(version)
        for name, text in data.items():
            path = os.path.join(version, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chown(path, 0, self.group)
            os.chmod(path, self.mode)
        link = os.path.join(self.folder, "..data_tmp")
        os.symlink(os.path.basename(version), link)
        os.rename(link, os.path.join(self.folder, "..data"))
        for name in data:
            if not os.path.lexists(os.path.join(self.folder, name)):
                os.symlink(f"..data/{name}", os.path.join(self.folder, name))
        old = os.path.join(self.folder, f"..version{self.version - 1}")
        shutil.rmtree(old, ignore_errors=True)


class Pod:
    """The one container of the DaemonSet among `objects`. `work` is a new directory for the kubelet's files."""

    def __init__(self, objects, rootfs, work, node_ip, secrets=None):
        self.objects, self.work, self.node_ip = objects, work, node_ip
        self.spec = next(thing for thing in objects if thing["kind"] == "DaemonSet")["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.identity = {**self.spec.get("securityContext", {}), **self.container["securityContext"]}
        self.secrets = secrets or {}
        self.projected = {}
        self.name = f"nswarden-{os.path.basename(work)}"
        os.makedirs(work)
        self.crun = ["crun", "--cgroup-manager=disabled", f"--root={work}/crun"]
        self.bundle = os.path.join(work, "bundle")
        os.makedirs(self.bundle)
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="ascii") as file:
            json.dump(self._config(rootfs), file, indent=1)
        self.log_path = os.path.join(work, "log")
        self.process = None

    def _variables(self):
        values = {"status.hostIP": self.node_ip, "spec.nodeName": "node-1"}
        return {entry["name"]: entry["value"] if "value" in entry else values[entry["valueFrom"]["fieldRef"]["fieldPath"]]
                for entry in self.container.get("env", [])}

    def _expand(self, text):
        for name, value in self._variables().items():
            text = text.replace(f"$({name})", value)
        return text

    def _source(self, volume):
        """The directory on the node, created as by the kubelet."""
        group = self.identity.get("fsGroup", 0)
        folder = os.path.join(self.work, "volumes", volume["name"])
        if "hostPath" in volume:
            path = volume["hostPath"]["path"]
            if volume["hostPath"]["type"] == "DirectoryOrCreate":
                os.makedirs(path, 0o755, exist_ok=True)
            return path
        if "configMap" in volume:
            data = rules.named(self.objects, "ConfigMap", volume["configMap"]["name"])[0]["data"]
            self.projected[volume["name"]] = ProjectedFolder(folder, data, group)
        elif "secret" in volume:
            secret = volume["secret"]
            mode = secret.get("defaultMode", 0o644) | 0o440  # added by fsGroup
            self.projected[volume["name"]] = ProjectedFolder(folder, self.secrets[secret["secretName"]], group, mode)
        else:
            os.makedirs(folder)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
            os.chown(folder, 0, group)
            os.chmod(folder, 0o2777)
        return folder

    def _mounts(self):
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
                  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}]
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            propagation = {"HostToContainer": "rslave", "Bidirectional": "rshared"}.get(mount.get("mountPropagation"), "rprivate")
            # Projected volumes are always read-only in a container.
            read_only = mount.get("readOnly") or "configMap" in volumes[mount["name"]] or "secret" in volumes[mount["name"]]
            mounts.append({"destination": mount["mountPath"], "type": "bind", "source": self._source(volumes[mount["name"]]),
                           "options": ["rbind", propagation, "ro" if read_only else "rw"]})
        return mounts

    def _config(self, rootfs):
        add = [f"CAP_{name}" for name in self.identity["capabilities"].get("add", [])]
        mounts = self._mounts()
        slave = any("rslave" in mount["options"] for mount in mounts)
        namespaces = ["ipc", "uts", "mount"] + ([] if self.spec.get("hostPID") else ["pid"]) + \
                     ([] if self.spec.get("hostNetwork") else ["network"])
        return {
            "ociVersion": "1.0.2",
            "process": {
                "args": ["/usr/bin/nswarden", *map(self._expand, self.container["args"])],
                "env": ["PATH=/usr/bin", *(f"{name}={value}" for name, value in self._variables().items())],
                "cwd": "/", "user": {"uid": self.identity["runAsUser"], "gid": self.identity["runAsGroup"],
                                     "additionalGids": [self.identity["fsGroup"]]},
                # Without ambient or inheritable ones: a user other than root starts without capabilities.
                "capabilities": {"bounding": add, "effective": add, "permitted": add},
                "noNewPrivileges": self.identity.get("allowPrivilegeEscalation") is False,
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
            },
            "root": {"path": rootfs, "readonly": self.identity["readOnlyRootFilesystem"]},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in namespaces], "maskedPaths": MASKED, "readonlyPaths": READ_ONLY,
                      "rootfsPropagation": "rslave" if slave else "rprivate", "seccomp": seccomp(add)},
        }

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*self.crun, "run", f"--bundle={self.bundle}", self.name], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def pid(self):
        """Of the daemon, on the node."""
        state = subprocess.run([*self.crun, "state", self.name], check=True, capture_output=True, text=True).stdout
        return json.loads(state)["pid"]

    def port(self, name):
        return next(port["containerPort"] for port in self.container["ports"] if port["name"] == name)

    def get(self, path, port="metrics", timeout=5):
        """Status and body, requested as by the kubelet: at the pod's address, which is the node's."""
        try:
            with urllib.request.urlopen(f"http://{self.node_ip}:{self.port(port)}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def probe(self, which):
        """Whether a probe succeeds."""
        probe = self.container[which]
        try:
            if "httpGet" in probe:
                asked = probe["httpGet"]
                return 200 <= self.get(asked["path"], asked["port"], probe.get("timeoutSeconds", 1))[0] < 400
            if "exec" in probe:
                return quietly(*self.crun, "exec", self.name, *probe["exec"]["command"]) == 0
            address = (probe["tcpSocket"].get("host", self.node_ip), self.port(probe["tcpSocket"]["port"]))
            with socket.create_connection(address, probe.get("timeoutSeconds", 1)):
                return True
        except OSError:
            return False

    def stop(self):
        """SIGTERM and the grace period, as by the kubelet. The exit code."""
        if self.process.poll() is None:
            quietly(*self.crun, "kill", self.name, "TERM")
        try:
            return self.process.wait(self.spec["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            return None
        finally:
            quietly(*self.crun, "delete", "--force", self.name)
