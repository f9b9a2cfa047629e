# SPDX-License-Identifier: Apache-2.0
"""The chart as Kubernetes would get it: rendered once for each file of values, and asked about."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from deploy.k8s.__main__ import CACHE, CHART, ROOT
from deploy.k8s.rendering import Object, helm_template
from deploy.local.setup import cluster_tools
from deploy.local.setup.cluster_tools import Tool, ToolMissingError
from tests.support.missing import missing

CI = {"default": None, **{path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*.yaml"))}}
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")
SERVICES = ("api", "conductor", "scheduler", "imagebuilder", "worker")
__all__ = ["CHART", "CI", "ROOT", "SERVICES", "had", "made"]


def had(tool: Tool) -> Path:
    """The program, or the end of the test."""
    try:
        return cluster_tools.had(tool, CACHE)
    except ToolMissingError as error:
        missing(str(error))


def files(values: str) -> list[Path]:
    """The files of values of that name."""
    path = CI[values]
    return [path] if path else []


@cache
def made(values: str, tool: Tool = cluster_tools.HELM_4) -> list[Object]:
    """All objects of the chart with the values of that name."""
    return helm_template(had(tool), CHART, files(values))


def of_kind(values: str, *kinds: str) -> list[Object]:
    """Those of these kinds."""
    return [one for one in made(values) if one["kind"] in kinds]


def named(values: str, kind: str, ending: str) -> Object:
    """The one of a kind whose name ends so."""
    (found,) = (one for one in of_kind(values, kind) if one["metadata"]["name"].endswith(ending))
    return found


def pod(workload: Object) -> dict[str, Any]:
    """A workload's pod."""
    found: dict[str, Any] = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return found


def labels(workload: Object) -> Mapping[str, str]:
    """The labels of a workload's pods."""
    meta = workload["metadata"] if workload["kind"] == "Pod" else workload["spec"]["template"]["metadata"]
    found: Mapping[str, str] = meta["labels"]
    return found


def containers(workload: Object) -> list[dict[str, Any]]:
    """All containers of a workload, those that begin it first."""
    spec = pod(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]


def selected(selector: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """Whether a selector means what has these labels."""
    asked = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in asked)
    return all(found.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        found.get(one["key"]) in one["values"] for one in asked
    )


def references(found: Any) -> Iterator[tuple[str, str, str]]:
    """(kind, name, key) of every Secret and ConfigMap that a pod names; key "" for all of it."""
    if isinstance(found, list):
        for item in found:
            yield from references(item)
    if not isinstance(found, dict):
        return
    for name, inner in found.items():
        if name in ("secretKeyRef", "configMapKeyRef"):
            yield ("Secret" if name.startswith("secret") else "ConfigMap"), inner["name"], inner["key"]
        elif name in ("configMapRef", "secretRef"):
            yield ("Secret" if name.startswith("secret") else "ConfigMap"), inner["name"], ""
        elif name in ("secret", "configMap") and isinstance(inner, dict):
            kind, owner = ("Secret", inner["secretName"]) if name == "secret" else ("ConfigMap", inner["name"])
            for item in inner.get("items", [{"key": ""}]):
                yield kind, owner, item["key"]
        else:
            yield from references(inner)


def settings(values: str, workload: Object) -> dict[str, str]:
    """The environment of a workload's own container; what comes of a Secret is `secret:name/key`."""
    (own,) = pod(workload)["containers"]
    found: dict[str, str] = {}
    for source in own.get("envFrom", []):
        (given,) = (
            one for one in of_kind(values, "ConfigMap") if one["metadata"]["name"] == source["configMapRef"]["name"]
        )
        found |= given["data"]
    for one in own.get("env", []):
        secret = one.get("valueFrom", {}).get("secretKeyRef")
        found[one["name"]] = f"secret:{secret['name']}/{secret['key']}" if secret else one.get("value", "")
    return found
