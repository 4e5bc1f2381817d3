# SPDX-License-Identifier: Apache-2.0
"""The output of `kubectl kustomize` for the project's overlays, for machines without it: supports only the features in use
and rejects all others. tests/packaging/kubernetes compares the two."""

import copy
import functools
import os

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
MANIFESTS = os.path.join(TOP, "packaging", "kubernetes")
OVERLAYS = ("base", "overlays/monitored", "overlays/complete")
CLUSTER_WIDE = ("Namespace",)
# Permitted fields of each kind, besides apiVersion and kind.
FIELDS = {
    "Kustomization": {"namespace", "resources", "components", "configMapGenerator", "generatorOptions", "images", "patches"},
    "Component": {"resources", "configMapGenerator", "patches"},
}


class Wrong(Exception):
    """An overlay that cannot be rendered."""


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Rejects duplicate keys; YAML 1.1 as read by kubectl, except that dates stay text."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise Wrong(f"{node.start_mark.name}:{node.start_mark.line + 1}: twice: {', '.join(twice)}")
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@functools.cache
def _loaded(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, StrictLoader)  # a SafeLoader


def load(path):
    """The single document of a file."""
    return copy.deepcopy(_loaded(os.path.realpath(path)))


def load_all(text):
    return [document for document in yaml.load_all(text, StrictLoader) if document is not None]


def _step(holder, token):
    return holder[int(token)] if isinstance(holder, list) else holder[token]


def patch(thing, operations):
    """JSON Patch: add and replace."""
    for operation in operations:
        if set(operation) != {"op", "path", "value"} or operation["op"] not in ("add", "replace"):
            raise Wrong(f"patch: {operation}")
        *way, last = operation["path"].lstrip("/").split("/")
        try:
            holder = thing
            for token in way:
                holder = _step(holder, token)
            if operation["op"] == "replace":
                _step(holder, last)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Wrong(f"patch: no {operation['path']}") from error
        value = copy.deepcopy(operation["value"])
        if isinstance(holder, list):
            if last == "-":
                holder.append(value)
            else:
                holder[int(last)] = value
        else:
            holder[last] = value


def _config_map(folder, generator, defaults):
    if set(generator) - {"name", "files", "options", "behavior"}:
        raise Wrong(f"{folder}: {generator}")
    options = {**defaults, **generator.get("options", {})}
    if set(options) - {"disableNameSuffixHash", "labels"} or options.get("disableNameSuffixHash") is not True:
        raise Wrong(f"{folder}: a ConfigMap with a hash in its name")
    data = {}
    for name in generator["files"]:
        if os.path.dirname(name):
            raise Wrong(f"{folder}: {name} is in another folder")
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            data[name] = file.read()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"], "labels": options["labels"]}, "data": data}


def _generate(folder, plan, objects):
    for generator in plan.get("configMapGenerator", []):
        made = _config_map(folder, generator, plan.get("generatorOptions", {}))
        same = [thing for thing in objects if thing["kind"] == "ConfigMap" and thing["metadata"]["name"] == generator["name"]]
        if bool(same) != (generator.get("behavior") == "replace"):
            raise Wrong(f"{folder}: ConfigMap {generator['name']} is there already, or is not there to be replaced")
        for thing in same:
            objects.remove(thing)
        objects.append(made)


def _patch_all(folder, plan, objects):
    for entry in plan.get("patches", []):
        if set(entry) not in ({"target", "patch"}, {"target", "path"}) or set(entry["target"]) != {"kind", "name"}:
            raise Wrong(f"{folder}: {entry}")
        operations = load(os.path.join(folder, entry["path"])) if "path" in entry else yaml.load(entry["patch"], StrictLoader)
        for thing in objects:
            if (thing["kind"], thing["metadata"]["name"]) == (entry["target"]["kind"], entry["target"]["name"]):
                patch(thing, operations)


def _set_images(plan, objects):
    for image in plan.get("images", []):
        if set(image) != {"name", "newName", "newTag"}:
            raise Wrong(f"images: {image}")
        for thing in objects:
            for container in thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"


def _add(folder, objects):
    plan = load(os.path.join(folder, "kustomization.yaml"))
    version = {"Kustomization": "v1beta1", "Component": "v1alpha1"}.get(plan.get("kind"))
    unknown = set(plan) - FIELDS.get(plan.get("kind"), set()) - {"apiVersion", "kind"}
    if unknown or plan["apiVersion"] != f"kustomize.config.k8s.io/{version}":
        raise Wrong(f"{folder}: kind {plan.get('kind')}, unknown {unknown}")
    for name in plan.get("resources", []):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            objects += render(path)
        elif os.path.dirname(name):
            raise Wrong(f"{folder}: {name} is in another folder")
        else:
            objects.append(load(path))
    for name in plan.get("components", []):
        _add(os.path.join(folder, name), objects)
    _generate(folder, plan, objects)
    _patch_all(folder, plan, objects)
    for thing in objects:
        if "namespace" in plan and thing["kind"] not in CLUSTER_WIDE:
            thing["metadata"]["namespace"] = plan["namespace"]
    _set_images(plan, objects)


def render(folder):
    """The objects of an overlay."""
    objects = []
    _add(folder, objects)
    return copy.deepcopy(objects)  # no anchors between them


def files_used(folder, used=None):
    """All files below MANIFESTS that are read to render an overlay."""
    used = set() if used is None else used
    used.add(os.path.realpath(os.path.join(folder, "kustomization.yaml")))
    plan = load(os.path.join(folder, "kustomization.yaml"))
    names = [entry["path"] for entry in plan.get("patches", []) if "path" in entry]
    names += [name for generator in plan.get("configMapGenerator", []) for name in generator["files"]]
    for name in names + plan.get("resources", []) + plan.get("components", []):
        path = os.path.realpath(os.path.join(folder, name))
        if os.path.isdir(path):
            files_used(path, used)
        else:
            used.add(path)
    return used
