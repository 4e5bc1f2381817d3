# SPDX-License-Identifier: Apache-2.0
"""The fields of Kubernetes objects that the manifests use, and their valid values. Written by hand from the API's reference,
limited to the fields in use: an unknown field is an error or has to be added here first."""

import re

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?")
PATH = re.compile(r"/[^:]*")
DURATION = re.compile(r"[0-9]+(ms|s|m|h)")
IMAGE = re.compile(r"[a-z0-9./-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})?")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
ALERT = re.compile(r"[A-Z][A-Za-z]+")
METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PERCENT = re.compile(r"[0-9]{1,3}%")
TEXT = re.compile(r"(?s).+")


def whole(least, most):
    return range(least, most + 1)


class Mapping:
    """Any keys of one pattern, with values of another."""

    def __init__(self, key, value):
        self.key, self.value = key, value


class OneOf:
    """Exactly one of these fields."""

    def __init__(self, **fields):
        self.fields = fields


LABELS = Mapping(LABEL_KEY, LABEL_VALUE)
META = {"name!": NAME, "namespace": NAME, "labels": LABELS}
NAMESPACED = {**META, "namespace!": NAME}
SELECTOR = {"matchLabels!": LABELS}
KEY_OF = {"name!": NAME, "key!": TEXT}
PROBE = {"httpGet": {"path!": PATH, "port!": PORT_NAME}, "exec": {"command!": [TEXT]}, "tcpSocket": {"host": TEXT, "port!": PORT_NAME},
         "periodSeconds": whole(1, 300), "timeoutSeconds": whole(1, 60), "failureThreshold": whole(1, 300)}
CAPABILITY = {"ALL", "SYS_ADMIN", "NET_ADMIN", "NET_BROADCAST", "SYS_PTRACE"}  # without CAP_, as the API spells them
CONTAINER = {
    "name!": NAME, "image!": IMAGE, "imagePullPolicy": {"IfNotPresent", "Always"}, "args": [TEXT],
    "env": [{"name!": TEXT, "value": TEXT, "valueFrom": {"fieldRef!": {"fieldPath!": {"status.hostIP", "spec.nodeName"}}}}],
    "ports": [{"name!": PORT_NAME, "containerPort!": whole(1, 65535), "protocol": {"TCP"}}],
    "securityContext": {"privileged": bool, "readOnlyRootFilesystem": bool, "allowPrivilegeEscalation": bool,
                        "capabilities": {"drop": [CAPABILITY], "add": [CAPABILITY]}},
    "resources": {"requests": {"cpu": QUANTITY, "memory": QUANTITY}, "limits": {"memory": QUANTITY}},
    "startupProbe": PROBE, "readinessProbe": PROBE, "livenessProbe": PROBE,
    "volumeMounts": [{"name!": NAME, "mountPath!": PATH, "readOnly": bool,
                      "mountPropagation": {"None", "HostToContainer", "Bidirectional"}}],
}
VOLUME = {"name!": NAME, "": OneOf(
    configMap={"name!": NAME}, secret={"secretName!": NAME, "defaultMode": whole(0, 0o777)},
    hostPath={"path!": PATH, "type!": {"Directory", "DirectoryOrCreate"}}, emptyDir={"medium": {"Memory"}, "sizeLimit": QUANTITY})}
POD = {
    "serviceAccountName": NAME, "automountServiceAccountToken": bool, "enableServiceLinks": bool, "priorityClassName": NAME,
    "terminationGracePeriodSeconds": whole(1, 600), "hostNetwork": bool, "hostPID": bool,
    "dnsPolicy": {"Default", "ClusterFirst", "ClusterFirstWithHostNet"}, "nodeSelector": LABELS,
    "tolerations": [{"operator!": {"Exists"}}],
    "securityContext": {"runAsNonRoot": bool, "runAsUser": whole(1, 65535), "runAsGroup": whole(1, 65535), "fsGroup": whole(1, 65535),
                        "seccompProfile": {"type!": {"RuntimeDefault"}}, "seLinuxOptions": {"type!": TEXT}},
    "containers!": [CONTAINER], "volumes": [VOLUME],
}
RULE = {"alert": ALERT, "record": METRIC, "expr!": TEXT, "for": DURATION, "labels": Mapping(METRIC, TEXT),
        "annotations": Mapping(METRIC, TEXT)}
KINDS = {
    ("v1", "Namespace"): {"metadata!": META},
    ("v1", "ServiceAccount"): {"metadata!": NAMESPACED, "automountServiceAccountToken": bool},
    ("v1", "ConfigMap"): {"metadata!": NAMESPACED, "data!": Mapping(re.compile(r"[-._a-zA-Z0-9]+"), TEXT)},
    ("v1", "Secret"): {"metadata!": NAMESPACED, "type!": {"kubernetes.io/tls"},
                       "stringData!": {"tls.crt!": TEXT, "tls.key!": TEXT, "ca.crt!": TEXT}},
    ("apps/v1", "DaemonSet"): {"metadata!": NAMESPACED, "spec!": {
        "selector!": SELECTOR, "template!": {"metadata!": {"labels!": LABELS}, "spec!": POD},
        "updateStrategy": {"type!": {"RollingUpdate"}, "rollingUpdate": {"maxUnavailable": PERCENT}}}},
    ("monitoring.coreos.com/v1", "PodMonitor"): {"metadata!": NAMESPACED, "spec!": {
        "selector!": SELECTOR, "podMetricsEndpoints!": [{
            "port!": PORT_NAME, "path": PATH, "scheme": {"http", "https"}, "interval": DURATION, "scrapeTimeout": DURATION,
            "relabelings": [{"action!": {"replace", "labeldrop"}, "sourceLabels": [METRIC], "targetLabel": METRIC, "regex": TEXT}],
            "tlsConfig": {"serverName": TEXT, "ca": {"secret!": KEY_OF}, "cert": {"secret!": KEY_OF}, "keySecret": KEY_OF}}]}},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"metadata!": NAMESPACED, "spec!": {"groups!": [{"name!": TEXT, "rules!": [RULE]}]}},
}


def _fields(value, wanted, where):
    if not isinstance(value, dict):
        return [f"{where}: no mapping"]
    one_of = wanted.get("")
    known = {name.rstrip("!"): kind for name, kind in wanted.items() if name}
    problems = [f"{where}: no {name[:-1]}" for name in wanted if name.endswith("!") and name[:-1] not in value]
    if one_of:
        known.update(one_of.fields)
        if len(one_of.fields.keys() & value.keys()) != 1:
            problems.append(f"{where}: not one of {', '.join(one_of.fields)}")
    for name, part in value.items():
        if name in known:
            problems += check(part, known[name], f"{where}.{name}")
        else:
            problems.append(f"{where}: unknown field {name}")
    return problems


def check(value, wanted, where):
    """The errors of a value."""
    if isinstance(wanted, dict):
        return _fields(value, wanted, where)
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [problem for i, item in enumerate(value) for problem in check(item, wanted[0], f"{where}[{i}]")]
    if isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            return [f"{where}: no mapping"]
        return [problem for key, item in value.items()
                for problem in check(key, wanted.key, f"{where}, key {key}") + check(item, wanted.value, f"{where}.{key}")]
    if isinstance(wanted, re.Pattern):
        return [] if isinstance(value, str) and wanted.fullmatch(value) else [f"{where}: {value!r} is no {wanted.pattern}"]
    if isinstance(wanted, range):
        return [] if type(value) is int and value in wanted else [f"{where}: {value!r} is not in {wanted}"]
    if wanted is bool:
        return [] if isinstance(value, bool) else [f"{where}: {value!r} is neither true nor false"]
    return [] if isinstance(value, str) and value in wanted else [f"{where}: {value!r} is none of {sorted(wanted)}"]


def problems_of(thing):
    """The errors of one object."""
    kind = (thing.get("apiVersion"), thing.get("kind"))
    if kind not in KINDS:
        return [f"{kind}: not known here"]
    return check({name: part for name, part in thing.items() if name not in ("apiVersion", "kind")}, KINDS[kind], kind[1])
