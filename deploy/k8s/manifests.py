# SPDX-License-Identifier: Apache-2.0
"""The same objects for kustomize: a base of what the chart makes by default, and overlays that say what is different.

Settings are a generated ConfigMap, whose name changes with what is in it, so that pods are made anew; the chart does
that by a checksum instead.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import yaml

from deploy.k8s.components import component_of, taken
from deploy.k8s.difference import patch
from deploy.k8s.rendering import NAMESPACE, Object, key

SETTINGS = f"{NAMESPACE}-settings"
_NOTE = "# SPDX-License-Identifier: Apache-2.0\n# Written from charts/innkeeper: python -m deploy.k8s\n"
_HELMS_OWN = ("app.kubernetes.io/managed-by", "helm.sh/chart")
_NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace"}
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
Files = dict[str, str]


def without_helm(objects: Sequence[Object]) -> list[Object]:
    """The objects as they are without Helm: no tests, no labels and annotations of its own; in a steady order."""
    kept = [deepcopy(one) for one in objects if "helm.sh/hook" not in one["metadata"].get("annotations", {})]
    for one in kept:
        for meta in (one["metadata"], one.get("spec", {}).get("template", {}).get("metadata", {})):
            for name in _HELMS_OWN:
                meta.get("labels", {}).pop(name, None)
            for name in ("checksum/config", "helm.sh/resource-policy"):
                meta.get("annotations", {}).pop(name, None)
            if not meta.get("annotations", True):
                del meta["annotations"]
    return sorted(kept, key=key)


def base(objects: Sequence[Object]) -> Files:
    """The files of the base."""
    settings = next(one for one in objects if one["metadata"]["name"] == SETTINGS)
    rest = [one for one in objects if one is not settings]
    namespace = {**_NAMESPACE, "metadata": {"name": NAMESPACE, "labels": dict(_RESTRICTED)}}
    kustomization = {
        "resources": ["namespace.yaml", "objects.yaml"],
        "configMapGenerator": [_generated(settings, settings["data"], {})],
    }
    return {
        "kustomization.yaml": _kustomization(kustomization),
        "namespace.yaml": dump([namespace]),
        "objects.yaml": dump(rest),
    }


def overlay(common: Sequence[Object], objects: Sequence[Object]) -> Files:
    """The files of an overlay that makes `objects` of the base's; what is a component's it takes from there."""
    before, after = ({key(one): one for one in some if not component_of(one)} for some in (common, objects))
    settings = next(one for one in objects if one["metadata"]["name"] == SETTINGS)
    own = [one for name, one in after.items() if name not in before]
    patches = [_removal(before[name]) for name in before if name not in after]
    patches += [
        {"target": _target(before[name]), "patch": yaml.safe_dump(operations, sort_keys=False)}
        for name in before
        if name in after and name[2] != SETTINGS and (operations := list(patch(before[name], after[name])))
    ]
    told = next(one for one in common if one["metadata"]["name"] == SETTINGS)["data"]
    changed = {name: value for name, value in settings["data"].items() if told.get(name) != value}
    kustomization: dict[str, Any] = {"resources": ["../../base", *(["objects.yaml"] if own else [])]}
    if named := taken(objects):
        kustomization["components"] = named
    if changed:
        kustomization["configMapGenerator"] = [_generated(settings, changed, {"behavior": "merge"})]
    if patches:
        kustomization["patches"] = patches
    files = {"kustomization.yaml": _kustomization(kustomization)}
    return {**files, "objects.yaml": dump(own)} if own else files


def _generated(settings: Object, data: Mapping[str, str], more: Mapping[str, str]) -> dict[str, Any]:
    meta = settings["metadata"]
    literals = [f"{name}={value}" for name, value in sorted(data.items())]
    made = {"name": meta["name"], "namespace": meta["namespace"], **more, "literals": literals}
    return {**made, "options": {"labels": meta["labels"]}}


def _target(one: Object) -> dict[str, str]:
    group, _, _ = one["apiVersion"].rpartition("/")
    return {**({"group": group} if group else {}), "kind": one["kind"], "name": one["metadata"]["name"]}


def _removal(one: Object) -> dict[str, Any]:
    meta = {"name": one["metadata"]["name"], "namespace": one["metadata"].get("namespace", "")}
    gone = {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": meta, "$patch": "delete"}
    return {"patch": yaml.safe_dump(gone, sort_keys=False)}


def _kustomization(content: Mapping[str, Any]) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return dump([{**head, **content}])


class _Blocks(yaml.SafeDumper):
    """Texts of several lines as blocks, which people can read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)


def dump(objects: Sequence[Mapping[str, Any]]) -> str:
    """Objects as a file."""
    return _NOTE + yaml.dump_all(objects, Dumper=_Blocks, sort_keys=False, width=1000, allow_unicode=True)
