# SPDX-License-Identifier: Apache-2.0
"""Run by tests/packaging/kubernetes: pods of the rendered DaemonSet on a simulated node. New namespaces, an empty /run that
propagates, and netns like those of a CNI plugin."""

import copy
import itertools
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import uuid

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(os.path.dirname(HERE)), "e2e")]

import harness  # noqa: E402
from harness import get, put, wait_until  # noqa: E402

from kube import pod, render, rules  # noqa: E402

NODE_IP = "192.0.2.10"
BACKLOG = "net.core.somaxconn"
REDIRECTS = "net.ipv4.conf.all.accept_redirects"
SETTING = """version: 1
policies:
  - name: pods
    netns: ^cni-
    sysctls:
      {key}: {value}
"""
numbers = itertools.count(1)


def drift_gone(key, name, value):
    return lambda: get(name, key) == str(value)


class PodCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir="/var/tmp")  # supports file capabilities
        os.chmod(cls.folder, 0o755)
        cls.rootfs = os.path.join(cls.folder, "rootfs")
        pod.image(harness.BINARY, cls.rootfs)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        # A freshly booted node: /run/netns does not exist.
        self.assertFalse(os.path.exists("/run/netns"))
        self.pods = []
        self.addCleanup(self.stop_pods)

    def stop_pods(self):
        for each in self.pods:
            each.stop()
            for mount in self.mounts_below(each.work):
                pod.quietly("umount", "-l", mount)
        for mount in reversed(self.mounts_below("/run")):  # the last one is on top
            if mount == "/run/netns" or mount.startswith("/run/netns/"):
                pod.quietly("umount", "-l", mount)
        shutil.rmtree("/run/netns", ignore_errors=True)

    def mounts_below(self, folder):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [line.split()[4] for line in file if line.split()[4].startswith(folder + "/")]

    def start(self, objects, secrets=None):
        work = os.path.join(self.folder, f"pod{next(numbers)}")
        started = pod.Pod(objects, self.rootfs, work, NODE_IP, secrets)
        self.pods.append(started)
        return started.start()

    def start_ready(self, objects, secrets=None):
        started = self.start(objects, secrets)
        wait_until(lambda: started.probe("startupProbe"), lambda: f"started; its log:\n{started.log()}")
        wait_until(lambda: started.probe("readinessProbe"), lambda: f"ready; its log:\n{started.log()}")
        return started

    def add_pod_netns(self):
        name = f"cni-{uuid.uuid4()}"
        harness.add_netns(name)
        return name

    def metrics(self, running):
        return harness.Metrics(harness.parse_metrics(running.get("/metrics")[1]))

    def wait_metrics(self, running, condition, what):
        wait_until(lambda: condition(self.metrics(running)), lambda: f"{what}; its log:\n{running.log()}")


def overlay(name):
    return copy.deepcopy(RENDERED[name])


def spec_of(objects):
    return next(thing for thing in objects if thing["kind"] == "DaemonSet")["spec"]["template"]["spec"]


def with_policy(objects, text):
    rules.named(objects, "ConfigMap", "nswarden")[0]["data"]["nswarden.yaml"] = text
    return objects


class Pods(PodCase):
    def test_a_pod_that_comes_before_the_first_netns_governs_those_that_come_later_and_answers_its_probes(self):
        running = self.start_ready(with_policy(overlay("base"), SETTING.format(key=BACKLOG, value=5000)))
        self.assertTrue(running.probe("livenessProbe"))
        name = self.add_pod_netns()
        begun = time.monotonic()
        wait_until(drift_gone(BACKLOG, name, 5000), running.log)
        self.assertLess(time.monotonic() - begun, 5)  # sweeps come every 10 s
        # The first `ip netns add` of a node mounts the directory on itself.
        subprocess.run(["ip", "netns", "add", "cni-by-ip"], check=True)
        wait_until(drift_gone(BACKLOG, "cni-by-ip", 5000), running.log)
        another = self.add_pod_netns()
        wait_until(drift_gone(BACKLOG, another, 5000), running.log)
        self.wait_metrics(running, lambda m: m.sum("netns", policy="pods") == 3 and m.sum("drifted_sysctls") == 0, "three netns")
        harness.delete_netns(another)
        self.wait_metrics(running, lambda m: m.sum("netns", policy="pods") == 2, "two netns")
        self.assertTrue(running.probe("livenessProbe") and running.probe("readinessProbe"))
        self.assertEqual(running.stop(), 0)

    def test_what_a_program_of_the_node_changes_is_seen_as_it_happens(self):
        running = self.start_ready(with_policy(overlay("base"), SETTING.format(key=BACKLOG, value=5000)))
        name = self.add_pod_netns()
        wait_until(drift_gone(BACKLOG, name, 5000), running.log)
        for _ in range(3):
            put(name, BACKLOG, 77)
            begun = time.monotonic()
            wait_until(drift_gone(BACKLOG, name, 5000), running.log)
            self.assertLess(time.monotonic() - begun, 2)
        self.wait_metrics(running, lambda m: m.sum("drift_detected_total", source="event") >= 3, "three events")
        sources = self.metrics(running).all("event_source_up")
        self.assertEqual({dict(labels)["source"]: up for labels, up in sources.items() if up != 1}, {}, running.log())
        self.assertEqual(running.get("/-/ready"), (200, "nswarden is ready.\n"))

    def test_all_that_the_complete_overlay_has_works_together(self):
        secret = certificates(self.folder)
        running = self.start(overlay("overlays/complete"), {"nswarden-tls": secret})
        client = ssl.create_default_context(cadata=secret["ca.crt"])
        client.load_cert_chain(os.path.join(self.folder, "ca/tls.crt"), os.path.join(self.folder, "ca/tls.key"))

        def ready():
            with urllib.request.urlopen("https://127.0.0.1:10042/-/ready", context=client, timeout=5) as answer:
                return answer.status == 200

        wait_until(ready, running.log)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertTrue(running.probe(probe), probe + "\n" + running.log())
        with self.assertRaises(OSError):
            running.get("/metrics")  # without TLS
        stranger = ssl.create_default_context(cadata=secret["ca.crt"])
        with self.assertRaises(OSError):
            urllib.request.urlopen("https://127.0.0.1:10042/-/ready", context=stranger, timeout=5)
        name = self.add_pod_netns()
        harness.run_inside(name, "ip", "link", "add", "eth0", "type", "bridge")
        for key in (REDIRECTS, "net.ipv6.conf.eth0.accept_ra"):
            wait_until(drift_gone(key, name, 0), running.log)
        put(name, REDIRECTS, 1)
        wait_until(drift_gone(REDIRECTS, name, 0), running.log)
        wait_until(lambda: "writer=python3" in running.log(), running.log)

    def test_a_new_version_of_the_config_map_is_taken_and_one_with_a_mistake_is_not(self):
        running = self.start_ready(with_policy(overlay("base"), SETTING.format(key=BACKLOG, value=5000)))
        name = self.add_pod_netns()
        wait_until(drift_gone(BACKLOG, name, 5000), running.log)
        for value in (6000, 7000):
            running.projected["config"].swap({"nswarden.yaml": SETTING.format(key=BACKLOG, value=value)})
            wait_until(drift_gone(BACKLOG, name, value), running.log)
        running.projected["config"].swap({"nswarden.yaml": SETTING.format(key=BACKLOG, value="07")})
        self.wait_metrics(running, lambda m: m.sum("config_last_reload_successful") == 0, "a refused version")
        self.assertEqual(get(name, BACKLOG), "7000")
        self.assertTrue(running.probe("livenessProbe") and running.probe("readinessProbe"))

    def test_it_has_the_capabilities_of_its_spec_and_nothing_that_it_could_write_to(self):
        running = self.start_ready(overlay("base"))
        with open(f"/proc/{running.pid()}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        three = 1 << 21 | 1 << 12 | 1 << 11  # SYS_ADMIN, NET_ADMIN, NET_BROADCAST
        self.assertEqual({name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")},
                         {"CapPrm": three, "CapEff": three, "CapBnd": three})
        self.assertEqual((status["Uid"].split(), status["Seccomp"]), (["9100"] * 4, "2"))
        root = f"/proc/{running.pid()}/root"
        for path in ("usr/bin/x", "etc/nswarden/x", "run/netns/x"):
            with self.assertRaises(OSError, msg=path):
                open(os.path.join(root, path), "wb").close()

    def test_the_nodes_own_netns_is_left_alone_even_under_the_name_of_a_pods(self):
        running = self.start_ready(with_policy(overlay("base"), SETTING.format(key=BACKLOG, value=5000)))
        harness.place_file("cni-host")
        harness.mount("/proc/1/ns/net", "/run/netns/cni-host", b"none", harness.MS_BIND)
        name = self.add_pod_netns()
        wait_until(drift_gone(BACKLOG, name, 5000), running.log)
        self.wait_metrics(running, lambda m: m.sum("netns", policy="pods") == 1, "one netns")
        self.assertNotEqual(harness.read_here(BACKLOG), "5000")

    def test_what_it_takes_is_below_what_it_asks_for(self):
        objects = overlay("overlays/complete")
        objects = [thing for thing in objects if thing["kind"] != "DaemonSet"] + \
                  [thing for thing in overlay("base") if thing["kind"] == "DaemonSet"]
        running = self.start_ready(objects)
        for _ in range(250):
            harness.run_inside(self.add_pod_netns(), "ip", "link", "add", "eth0", "type", "bridge")
        self.wait_metrics(running, lambda m: m.sum("netns", policy="pod-backlog") == 250 and m.sum("drifted_sysctls") == 0, "250 pods")
        before, begun = self.metrics(running), time.monotonic()
        self.wait_metrics(running, lambda m: m.sum("reconciles_total") > before.sum("reconciles_total") + 1, "two sweeps")
        after, took = self.metrics(running), time.monotonic() - begun
        cpu = (process(after, "cpu_seconds_total") - process(before, "cpu_seconds_total")) / took
        resident = process(after, "resident_memory_bytes")
        print(f"250 pods, {after.sum('managed_sysctls'):.0f} settings: {resident / 2**20:.1f} MiB resident, {cpu * 100:.2f} % of a core, "
              f"scraped all the time, from {before.sum('reconciles_total'):.0f} to {after.sum('reconciles_total'):.0f} sweeps; "
              f"{process(after, 'cpu_seconds_total'):.2f} s of processor time since its start", file=sys.stderr)
        requests = running.container["resources"]["requests"]
        self.assertEqual((requests["memory"][-2:], requests["cpu"][-1]), ("Mi", "m"))
        self.assertLess(resident, int(requests["memory"][:-2]) * 2**20)


def process(metrics, name):
    return sum(metrics[f"process_{name}"].values())


def certificates(folder):
    """{file: text} of a Secret, with a certificate for servers and clients."""
    subprocess.run(["sh", "-euc", """
        umask 077; mkdir "$1/ca"; cd "$1/ca"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=ca" -keyout ca.key -out ca.crt
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=nswarden" -keyout tls.key -out tls.csr \
          -addext "subjectAltName=DNS:nswarden.nswarden.svc,IP:127.0.0.1" -addext "extendedKeyUsage=serverAuth,clientAuth"
        openssl x509 -req -in tls.csr -copy_extensions copy -CA ca.crt -CAkey ca.key -days 2 -out tls.crt
        """, "-", folder], check=True, capture_output=True)
    texts = {}
    for name in ("tls.crt", "tls.key", "ca.crt"):
        with open(os.path.join(folder, "ca", name), encoding="ascii") as file:
            texts[name] = file.read()
    return texts


class Mistakes(PodCase):
    """The container is limited to its spec: if the spec lacks something, the same test fails, and the daemon logs the
    reason."""

    def broken(self, change):
        objects = with_policy(overlay("base"), SETTING.format(key=BACKLOG, value=5000))
        change(spec_of(objects))
        return self.start(objects)

    def wait_log_words(self, running, *words):
        wait_until(lambda: all(word in running.log() for word in words), lambda: f"{words}; its log:\n{running.log()}")

    def test_without_propagation_netns_that_come_later_are_not_seen_and_readiness_tells(self):
        running = self.broken(lambda spec: next(mount for mount in spec["containers"][0]["volumeMounts"]
                                                if mount["name"] == "netns").pop("mountPropagation"))
        wait_until(lambda: running.probe("readinessProbe"), running.log)
        name = self.add_pod_netns()
        self.wait_metrics(running, lambda m: m.sum("event_source_up", source="mount") == 0, "a mount table that is cut off")
        self.assertNotEqual(get(name, BACKLOG), "5000")
        self.assertIn("mount", running.get("/-/ready")[1])

    def test_no_new_privs_leaves_it_its_capabilities_because_the_runtime_has_them_when_it_starts_it(self):
        running = self.broken(lambda spec: spec["containers"][0]["securityContext"].update(allowPrivilegeEscalation=False))
        wait_until(lambda: running.probe("readinessProbe"), running.log)
        name = self.add_pod_netns()
        wait_until(drift_gone(BACKLOG, name, 5000), running.log)

    def test_from_an_image_that_lost_the_files_capabilities_it_has_none_and_says_so(self):
        program = os.path.join(self.rootfs, "usr/bin/nswarden")
        subprocess.run(["setcap", "-r", program], check=True)
        self.addCleanup(subprocess.run, ["setcap", pod.FILE_CAPABILITIES, program], check=True)
        running = self.broken(lambda spec: None)
        self.wait_log_words(running, "CAP_SYS_ADMIN")

    def test_without_a_capability_it_says_which(self):
        running = self.broken(lambda spec: spec["containers"][0]["securityContext"]["capabilities"]["add"].remove("SYS_ADMIN"))
        self.wait_log_words(running, "CAP_SYS_ADMIN")

    def test_with_the_containers_own_procfs_it_cannot_write_and_says_so(self):
        running = self.broken(lambda spec: spec["containers"][0]["args"].remove("--path.procfs=/host/proc"))
        self.wait_log_words(running, "--path.procfs")


def main():
    harness.isolate()
    subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=False, capture_output=True)  # crun supports either v1 or v2
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    subprocess.run(["ip", "address", "add", f"{NODE_IP}/32", "dev", "lo"], check=True)
    unittest.main()


if __name__ == "__main__":
    with open(os.environ["NSWARDEN_RENDERED"], encoding="utf-8") as rendered:
        RENDERED = json.load(rendered)
    main()
