# SPDX-License-Identifier: Apache-2.0
"""Rules between the objects of one overlay, and those that a reviewer would check."""

import re

CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "NET_BROADCAST"]
HOST_PATHS = {"/run/netns", "/proc"}


def named(objects, kind, name):
    return [thing for thing in objects if thing["kind"] == kind and thing["metadata"]["name"] == name]


def _references(objects, spec, secrets):
    """`secrets`: names of externally created Secrets."""
    problems = []
    if not named(objects, "ServiceAccount", spec["serviceAccountName"]):
        problems.append("no such ServiceAccount")
    for volume in spec["volumes"]:
        if "configMap" in volume and not named(objects, "ConfigMap", volume["configMap"]["name"]):
            problems.append(f"volume {volume['name']}: no such ConfigMap")
        if "secret" in volume and volume["secret"]["secretName"] not in secrets:
            problems.append(f"volume {volume['name']}: a Secret that nobody tells of")
    for container in spec["containers"]:
        mounted = [mount["name"] for mount in container["volumeMounts"]]
        if sorted(mounted) != sorted(volume["name"] for volume in spec["volumes"]):
            problems.append("volumes and volumeMounts differ")
        folders = [mount["mountPath"] for mount in container["volumeMounts"]]
        if len(set(folders)) != len(folders):
            problems.append("two mounts in one place")
        ports = [port["name"] for port in container["ports"]]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            handlers = [container.get(probe, {}).get(kind) for kind in ("httpGet", "tcpSocket", "exec")]
            if sum(handler is not None for handler in handlers) != 1:
                problems.append(f"{probe}: not just one way to ask")
            problems += [f"{probe}: no such port" for handler in handlers[:2] if handler and handler["port"] not in ports]
        known = {variable["name"] for variable in container["env"]}
        for argument in container["args"]:
            problems += [f"{argument}: no such variable" for name in re.findall(r"\$\(([^)]*)\)", argument) if name not in known]
    return problems


def _files_of_arguments(spec, container):
    """Each file that a flag names is in a volume mounted there as a directory: a subPath is never updated."""
    problems = []
    for argument in container["args"] + [part for probe in ("startupProbe", "readinessProbe", "livenessProbe")
                                         for part in container.get(probe, {}).get("exec", {}).get("command", [])]:
        path = argument.partition("=")[2]
        if path.startswith("/") and not any(path == mount["mountPath"] or path.startswith(mount["mountPath"] + "/")
                                            for mount in container["volumeMounts"]):
            problems.append(f"{argument}: not in a volume")
    return problems


def _security(spec, container):
    pod, own = spec["securityContext"], container["securityContext"]
    demands = {
        "a user other than root": pod.get("runAsNonRoot") is True and pod.get("runAsUser", 0) > 0 and pod.get("runAsGroup", 0) > 0,
        "a group for what it writes": pod.get("fsGroup") == pod.get("runAsGroup"),
        "the runtime's seccomp profile": pod.get("seccompProfile") == {"type": "RuntimeDefault"},
        "not privileged": own.get("privileged") is False,
        "a read-only root": own.get("readOnlyRootFilesystem") is True,
        "all capabilities dropped": own["capabilities"].get("drop") == ["ALL"],
        "no more capabilities than needed": sorted(own["capabilities"].get("add", [])) == sorted(CAPABILITIES),
        # The API intends to reject false beside SYS_ADMIN, and may do so in the future.
        "allowPrivilegeEscalation left alone": "allowPrivilegeEscalation" not in own,
        "no token": spec.get("automountServiceAccountToken") is False,
        "no variables of services": spec.get("enableServiceLinks") is False,
        "the node's network": spec.get("hostNetwork") is True,
        "memory within bounds": "memory" in container["resources"]["limits"] and "memory" in container["resources"]["requests"],
        "processor time without bounds": "cpu" in container["resources"]["requests"] and "cpu" not in container["resources"]["limits"],
        "all taints tolerated": spec.get("tolerations") == [{"operator": "Exists"}],
        "the priority of what a node needs": spec.get("priorityClassName") == "system-node-critical",
    }
    return [f"not held: {demand}" for demand, held in demands.items() if not held]


def _mounts(spec, container):
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    problems = []
    seen = {}
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        path = volume.get("hostPath", {}).get("path")
        if path:
            seen[path] = mount
            if path not in HOST_PATHS:
                problems.append(f"{path} of the node is not its business")
        elif "emptyDir" not in volume and not mount.get("readOnly"):
            problems.append(f"{mount['mountPath']} may be written to")
    netns, procfs = seen.get("/run/netns", {}), seen.get("/proc", {})
    if netns.get("mountPropagation") != "HostToContainer" or netns.get("mountPath") != "/run/netns" or not netns.get("readOnly"):
        problems.append("netns that come later are not seen, or may be changed")
    if f"--path.procfs={procfs.get('mountPath')}" not in container["args"] or procfs.get("readOnly"):
        problems.append("sysctls cannot be written through the node's procfs")
    if procfs.get("mountPath", "/proc").startswith("/proc"):
        problems.append("runtimes mount nothing below /proc, and make /proc/sys read-only")
    return problems


def _monitoring(objects, labels, container):
    problems = []
    tls = any(argument.startswith("--web.config.file=") for argument in container["args"])
    for monitor in (thing for thing in objects if thing["kind"] == "PodMonitor"):
        if not monitor["spec"]["selector"]["matchLabels"].items() <= labels.items():
            problems.append("the PodMonitor selects other pods")
        if "nswarden" not in f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}":
            problems.append("the name of the job is not one that the alerts look for")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if endpoint["port"] not in [port["name"] for port in container["ports"]]:
                problems.append("the PodMonitor asks a port that is not there")
            if (endpoint["scheme"] == "https") != tls or ("tlsConfig" in endpoint) != tls:
                problems.append("the PodMonitor and the daemon do not agree on TLS")
            if not any(rule["action"] == "replace" and rule["sourceLabels"] == ["__meta_kubernetes_pod_node_name"] and
                       rule["targetLabel"] == "instance" for rule in endpoint["relabelings"]):
                problems.append("the node is not the instance")
    return problems


def problems_of(objects, secrets=("nswarden-tls",)):
    """The errors of the objects of one overlay."""
    sets = [thing for thing in objects if thing["kind"] == "DaemonSet"]
    if len(sets) != 1 or len(sets[0]["spec"]["template"]["spec"]["containers"]) != 1:
        return ["not one DaemonSet of one container"]
    template = sets[0]["spec"]["template"]
    spec, labels = template["spec"], template["metadata"]["labels"]
    container = spec["containers"][0]
    problems = _references(objects, spec, secrets) + _files_of_arguments(spec, container) + _security(spec, container)
    problems += _mounts(spec, container) + _monitoring(objects, labels, container)
    if not sets[0]["spec"]["selector"]["matchLabels"].items() <= labels.items():
        problems.append("the DaemonSet does not select its pods")
    for account in (thing for thing in objects if thing["kind"] == "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            problems.append("a token for all who use the account")
    spaces = [thing for thing in objects if thing["kind"] == "Namespace"]
    names = {thing["metadata"].get("namespace") for thing in objects if thing["kind"] != "Namespace"}
    if {space["metadata"]["name"] for space in spaces} != names:
        problems.append("objects in other namespaces")
    if any(space["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "privileged" for space in spaces):
        problems.append("Pod Security would refuse the pods")
    for thing in objects:
        size = sum(len(text.encode()) for text in thing.get("data", {}).values())
        if size > 200 * 1024:
            problems.append(f"ConfigMap {thing['metadata']['name']}: {size} bytes; kubectl apply takes 256 KiB with all around")
    return problems
