# SPDX-License-Identifier: Apache-2.0
"""The manifests for Kubernetes: only known fields, valid references, no more privilege than the daemon needs, and the same
rules and policies as the rest of this repository. Needs neither a cluster nor kubectl; tests/packaging/kubernetes validates
them by published schemas, and runs the container."""

import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
try:
    import yaml  # noqa: F401
except ImportError:
    print("SKIP: apt-get install python3-yaml")
    sys.exit(77)

from kube import fields, render, rules  # noqa: E402

SYSTEMD_UNIT = os.path.join(render.TOP, "packaging", "systemd", "nswarden.service")
DOCKERFILE = os.path.join(render.TOP, "Dockerfile")


def text_of(*path):
    with open(os.path.join(render.TOP, *path), encoding="utf-8") as file:
        return file.read()


def overlay(name):
    return render.render(os.path.join(render.MANIFESTS, name))


def find(objects, kind, name="nswarden"):
    return rules.named(objects, kind, name)[0]


def container_of(objects):
    return find(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]


class Manifests(unittest.TestCase):
    maxDiff = None

    def test_every_object_has_only_known_fields_of_the_right_kind(self):
        for name in render.OVERLAYS:
            for thing in overlay(name):
                with self.subTest(name, kind=thing["kind"]):
                    self.assertEqual(fields.problems_of(thing), [])

    def test_the_objects_of_every_overlay_fit_each_other_and_ask_for_no_more_than_is_needed(self):
        for name in render.OVERLAYS:
            with self.subTest(name):
                self.assertEqual(rules.problems_of(overlay(name)), [])

    def test_every_file_is_part_of_an_overlay(self):
        used = set()
        for name in render.OVERLAYS:
            render.files_used(os.path.join(render.MANIFESTS, name), used)
        there = {os.path.join(folder, file) for folder, _, files in os.walk(render.MANIFESTS) for file in files
                 if not folder.endswith("__pycache__")}
        apart = {os.path.join(render.MANIFESTS, "generate"), os.path.join(render.MANIFESTS, "components/tls/secret.example.yaml")}
        self.assertEqual(there - used, apart)

    def test_the_example_of_a_secret_is_the_one_that_is_asked_for(self):
        secret = render.load(os.path.join(render.MANIFESTS, "components/tls/secret.example.yaml"))
        self.assertEqual(fields.problems_of(secret), [])
        files = {f"/etc/nswarden-tls/{name}" for name in secret["stringData"]}
        container = container_of(overlay("overlays/complete"))
        probe = set(re.findall(r"=(/etc/nswarden-tls/\S+)", " ".join(container["startupProbe"]["exec"]["command"])))
        self.assertEqual(probe, files)
        self.assertEqual(set(re.findall(r": (/etc/nswarden-tls/\S+)", text_of("packaging/kubernetes/components/tls/web.yaml"))), files)

    def test_what_is_generated_is_what_would_be_generated(self):
        done = subprocess.run([os.path.join(render.MANIFESTS, "generate"), "--check"], capture_output=True, check=False, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_rules_of_the_cluster_are_all_rules_there_are(self):
        generated = find(overlay("overlays/monitored"), "PrometheusRule")["spec"]["groups"]
        sources = [render.load(os.path.join(render.TOP, "dashboards", name))["groups"] for name in ("alerts.yaml", "recording.yaml")]
        self.assertEqual(generated, sources[0] + sources[1])
        self.assertGreater(sum(len(group["rules"]) for group in generated), 30)

    def test_both_dashboards_are_there(self):
        maps = [thing for thing in overlay("overlays/monitored") if thing["metadata"]["labels"].get("grafana_dashboard") == "1"]
        data = {name: text for thing in maps for name, text in thing["data"].items()}
        self.assertEqual(data, {name: text_of("dashboards", name) for name in ("nswarden-node.json", "nswarden-fleet.json")})

    def test_the_policy_of_pods_is_the_example_without_netns_that_have_no_name(self):
        mine = render.load(os.path.join(render.MANIFESTS, "components/pod-policy/nswarden.yaml"))
        example = render.load(os.path.join(render.TOP, "config/examples/kubernetes.yaml"))
        example["policies"] = [policy for policy in example["policies"] if policy["name"] != "anonymous"]
        self.assertEqual(mine, example)
        self.assertEqual(len(mine["policies"]), 4)

    def test_capabilities_are_those_of_the_systemd_unit(self):
        if not os.path.exists(SYSTEMD_UNIT):
            self.skipTest("there is no unit in packaging/systemd")
        lines = dict(re.findall(r"^(AmbientCapabilities|CapabilityBoundingSet)=(.*)$", text_of(SYSTEMD_UNIT), re.MULTILINE))
        wanted = sorted(f"CAP_{name}" for name in rules.CAPABILITIES)
        self.assertEqual({name: sorted(value.split()) for name, value in lines.items()},
                         {"AmbientCapabilities": wanted, "CapabilityBoundingSet": wanted})

    def test_user_and_port_are_those_of_the_image(self):
        if not os.path.exists(DOCKERFILE):
            self.skipTest("there is no Dockerfile")
        lines = text_of(DOCKERFILE).splitlines()
        spec = find(overlay("base"), "DaemonSet")["spec"]["template"]["spec"]
        identity = spec["securityContext"]
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        self.assertEqual(users[-1], f"{identity['runAsUser']}:{identity['runAsGroup']}")
        self.assertIn(f"EXPOSE {spec['containers'][0]['ports'][0]['containerPort']}", lines)


class Policies(unittest.TestCase):
    def checked(self, text):
        # A copy, because a checkout may belong to any user, and files that other users may write are refused.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nswarden.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return subprocess.run([os.environ["NSWARDEN_BINARY"], "config", "check", path], capture_output=True, text=True, timeout=60,
                                  check=False)

    def test_the_daemon_takes_them(self):
        for name in render.OVERLAYS:
            with self.subTest(name):
                text = find(overlay(name), "ConfigMap")["data"]["nswarden.yaml"]
                done = self.checked(text)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(self.checked(text.replace("sysctls:", "sysctl:", 1)).returncode, 2)

    def test_the_one_that_is_there_first_writes_nothing(self):
        policy = yaml.safe_load(find(overlay("base"), "ConfigMap")["data"]["nswarden.yaml"])
        self.assertEqual({entry.get("mode", policy["mode"]) for entry in policy["policies"]}, {"audit"})


class Page(unittest.TestCase):
    """docs/kubernetes.md."""

    def test_the_overlay_that_it_shows_can_be_used_as_it_is(self):
        text = re.search(r"```yaml\n(# kustomization.yaml,.*?)```", text_of("docs/kubernetes.md"), re.DOTALL).group(1)
        policy = "version: 1\npolicies: []\n"
        with tempfile.TemporaryDirectory() as folder:
            for name in ("packaging/kubernetes", "dashboards"):
                shutil.copytree(os.path.join(render.TOP, name), os.path.join(folder, name))
            for name, content in (("kustomization.yaml", text), ("nswarden.yaml", policy)):
                with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                    file.write(content)
            objects = render.render(folder)
        self.assertEqual([problem for thing in objects for problem in fields.problems_of(thing)] + rules.problems_of(objects), [])
        self.assertEqual(find(objects, "ConfigMap")["data"], {"nswarden.yaml": policy})
        self.assertEqual(container_of(objects)["image"], "registry.example/nswarden:0.1.0")

    def test_it_counts_right(self):
        self.assertIn(f"{len(MISTAKES)} mistakes are each noticed. It renders", " ".join(text_of("docs/kubernetes.md").split()))

    def test_every_folder_is_named(self):
        for kind in ("components", "overlays"):
            for name in os.listdir(os.path.join(render.MANIFESTS, kind)):
                self.assertIn(f"| `{kind}/{name}` |", text_of("docs/kubernetes.md"))


def spec_of(objects):
    return find(objects, "DaemonSet")["spec"]["template"]["spec"]


def mount_of(objects, name):
    return next(mount for mount in container_of(objects)["volumeMounts"] if mount["name"] == name)


# Each breaks the objects of an overlay and names the expected report.
MISTAKES = {
    "a field that does not exist": lambda o: container_of(o).update(livenesProbe={}),
    "a field in the wrong place": lambda o: spec_of(o)["securityContext"].update(readOnlyRootFilesystem=True),
    "a number as text": lambda o: container_of(o)["ports"][0].update(containerPort="10042"),
    "true as text": lambda o: spec_of(o).update(hostNetwork="true"),
    "a size that is none": lambda o: container_of(o)["resources"]["limits"].update(memory="128 MB"),
    "a label with blanks": lambda o: find(o, "DaemonSet")["metadata"]["labels"].update(a="b c"),
    "two sources of a volume": lambda o: spec_of(o)["volumes"][0].update(emptyDir={}),
    "a ConfigMap of another name": lambda o: spec_of(o)["volumes"][0]["configMap"].update(name="nswarden-config"),
    "a mount without a volume": lambda o: spec_of(o)["volumes"].pop(),
    "a probe of a port that is not there": lambda o: container_of(o)["livenessProbe"]["httpGet"].update(port="web"),
    "no probe": lambda o: container_of(o).pop("readinessProbe"),
    "an unset variable": lambda o: container_of(o)["args"].append("--x=$(POD_IP)"),
    "a file in no volume": lambda o: container_of(o)["args"].append("--web.config.file=/etc/web.yaml"),
    "other pods": lambda o: find(o, "DaemonSet")["spec"]["selector"]["matchLabels"].update(app="other"),
    "another account": lambda o: spec_of(o).update(serviceAccountName="default"),
    "root": lambda o: spec_of(o)["securityContext"].update(runAsUser=0),
    "a token": lambda o: find(o, "ServiceAccount").pop("automountServiceAccountToken"),
    "privileged": lambda o: container_of(o)["securityContext"].update(privileged=True),
    "one capability more": lambda o: container_of(o)["securityContext"]["capabilities"]["add"].append("SYS_PTRACE"),
    "the usual capabilities": lambda o: container_of(o)["securityContext"]["capabilities"].pop("drop"),
    "CAP_ before a capability": lambda o: container_of(o)["securityContext"]["capabilities"].update(add=["CAP_SYS_ADMIN"]),
    "no_new_privs": lambda o: container_of(o)["securityContext"].update(allowPrivilegeEscalation=False),
    "no seccomp": lambda o: spec_of(o)["securityContext"].pop("seccompProfile"),
    "no propagation": lambda o: mount_of(o, "netns").pop("mountPropagation"),
    "netns that may be written to": lambda o: mount_of(o, "netns").pop("readOnly"),
    "procfs where no runtime mounts it": lambda o: mount_of(o, "procfs").update(mountPath="/proc"),
    "a procfs that cannot be written to": lambda o: mount_of(o, "procfs").update(readOnly=True),
    "the whole node": lambda o: spec_of(o)["volumes"][1]["hostPath"].update(path="/"),
    "a limit of processor time": lambda o: container_of(o)["resources"]["limits"].update(cpu="100m"),
    "a namespace that refuses the pods": lambda o: find(o, "Namespace", "nswarden")["metadata"]["labels"].update(
        {"pod-security.kubernetes.io/enforce": "baseline"}),
    "another namespace": lambda o: find(o, "ConfigMap")["metadata"].update(namespace="default"),
    "a PodMonitor for nobody": lambda o: find(o, "PodMonitor")["spec"]["selector"]["matchLabels"].update(app="other"),
    "a PodMonitor for TLS": lambda o: find(o, "PodMonitor")["spec"]["podMetricsEndpoints"][0].update(scheme="https"),
    "pods as instances": lambda o: find(o, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["relabelings"].pop(0),
    "an alert with a field too many": lambda o: find(o, "PrometheusRule")["spec"]["groups"][0]["rules"][0].update(form="5m"),
}


class Mistakes(unittest.TestCase):
    def test_each_mistake_is_noticed(self):
        good = overlay("overlays/monitored")
        for what, make in MISTAKES.items():
            with self.subTest(what):
                objects = copy.deepcopy(good)
                make(objects)
                self.assertNotEqual([problem for thing in objects for problem in fields.problems_of(thing)] + rules.problems_of(objects), [])

    def test_a_key_that_is_there_twice_is_refused(self):
        with self.assertRaises(render.Wrong):
            render.load_all("kind: A\nkind: B\n")

    def test_a_patch_of_what_is_not_there_is_refused(self):
        with self.assertRaises(render.Wrong):
            render.patch({"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}])

    def test_a_rule_that_was_edited_by_hand_is_noticed(self):
        with tempfile.TemporaryDirectory() as top:
            for folder in ("packaging/kubernetes", "dashboards", "config/examples"):
                os.makedirs(os.path.join(top, os.path.dirname(folder)), exist_ok=True)
                subprocess.run(["cp", "-r", os.path.join(render.TOP, folder), os.path.join(top, folder)], check=True)
            script = os.path.join(top, "packaging/kubernetes/generate")
            self.assertEqual(subprocess.run([script, "--check"], check=False).returncode, 0)
            for path in ("packaging/kubernetes/components/monitoring/prometheusrule.yaml", "dashboards/alerts.yaml"):
                with open(os.path.join(top, path), "a", encoding="ascii") as file:
                    file.write("# by hand\n")
                self.assertEqual(subprocess.run([script, "--check"], check=False, capture_output=True).returncode, 1)
                subprocess.run([script], check=True)
                self.assertEqual(subprocess.run([script, "--check"], check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
