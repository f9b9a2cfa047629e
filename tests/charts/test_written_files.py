# SPDX-License-Identifier: Apache-2.0
"""What is written from the chart is as the chart is now, and kustomize and Helm say the same."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s import manifests
from deploy.k8s.__main__ import KUSTOMIZE, OVERLAYS, ROOT, chart_files, kustomize_files
from deploy.k8s.components import DASHBOARDS, MONITORING, component_of
from deploy.k8s.difference import patch
from deploy.k8s.rendering import Object, key, kustomize
from deploy.k8s.values import UndescribedError, read_values
from deploy.local.setup.cluster_tools import KUBECTL
from tests.support.cluster import CI, had, made

AGAIN = "write it anew: python -m deploy.k8s"
_HASH = re.compile(rf"\b{manifests.SETTINGS}-[a-z0-9]{{10}}\b")


def name_of(paths: list[Any]) -> str:
    return next(name for name, path in CI.items() if paths == ([path] if path else []))


def test_readme_and_schema_are_those_of_the_values() -> None:
    for path, text in chart_files().items():
        assert (ROOT / path).read_text() == text, f"{path}: {AGAIN}"


def test_the_files_of_kustomize_are_those_of_the_chart() -> None:
    wanted = kustomize_files(lambda paths: made(name_of(paths)))
    there = {*KUSTOMIZE.glob("*/**/*.yaml"), *(ROOT / "deploy" / "grafana").glob("*/kustomization.yaml")}
    assert {str(path.relative_to(ROOT)) for path in there} == set(wanted), AGAIN
    for path, text in wanted.items():
        assert (ROOT / path).read_text() == text, f"{path}: {AGAIN}"


def plain(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    """By key, without the namespace and with the settings' plain name."""
    found = {}
    for one in manifests.without_helm(objects):
        if one["metadata"]["name"].startswith(f"{manifests.SETTINGS}-"):
            one["metadata"]["name"] = manifests.SETTINGS
        for source in one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            for given in source.get("envFrom", []):
                given["configMapRef"]["name"] = _HASH.sub(manifests.SETTINGS, given["configMapRef"]["name"])
        if one["kind"] != "Namespace":
            found[key(one)] = one
    return found


@pytest.mark.parametrize("overlay", ["base", *OVERLAYS])
def test_kustomize_and_helm_say_the_same(overlay: str) -> None:
    folder, values = ("base", "default") if overlay == "base" else (f"overlays/{overlay}", overlay)
    objects = kustomize(had(KUBECTL), KUSTOMIZE / folder)
    by_kustomize, by_helm = plain(objects), plain(made(values))
    assert by_kustomize.keys() == by_helm.keys()
    for name, one in by_helm.items():
        assert by_kustomize[name] == one, name
    services = [one for one in objects if one["kind"] == "Deployment" and "envFrom" in str(one)]
    assert services
    assert all(_HASH.search(str(one)) for one in services)  # new settings mean new pods


def test_what_watches_is_a_component_that_an_overlay_of_one_s_own_can_take(tmp_path: Path) -> None:
    folders = [os.path.relpath(ROOT / path, tmp_path) for path in ("deploy/k8s/base", MONITORING, DASHBOARDS)]
    own = {"kind": "Kustomization", "resources": folders[:1], "components": folders[1:]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(own))
    objects = kustomize(had(KUBECTL), tmp_path)
    kinds = Counter(one["kind"] for one in objects if component_of(one))
    rules, boards = (
        (ROOT / path).glob(ending) for path, ending in (("deploy/prometheus/rules", "*"), (DASHBOARDS, "*.json"))
    )
    assert kinds == {"ServiceMonitor": 1, "PodMonitor": 1, "PrometheusRule": len([*rules]), "ConfigMap": len([*boards])}
    assert not [one for one in kustomize(had(KUBECTL), KUSTOMIZE / "base") if component_of(one)]


def test_settings_of_one_s_own_are_merged_as_the_page_says(tmp_path: Path) -> None:
    (said,) = re.findall("configMapGenerator:\n  - (.*)", (ROOT / "docs" / "kubernetes.md").read_text())
    demo = os.path.relpath(KUSTOMIZE / "overlays" / "demo", tmp_path)
    own = {"kind": "Kustomization", "resources": [demo], "configMapGenerator": [yaml.safe_load(said)]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(own))
    objects = kustomize(had(KUBECTL), tmp_path)
    (changed,) = (one for one in objects if one["metadata"]["name"].startswith(manifests.SETTINGS))
    assert changed["data"]["INNKEEPER_LOG_LEVEL"] == "debug"
    assert changed["data"]["INNKEEPER_STATE_DIR"]
    named = {name for one in objects if one["kind"] == "Deployment" for name in _HASH.findall(str(one))}
    assert named == {changed["metadata"]["name"]}


@pytest.mark.parametrize(
    ("old", "new", "operations"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b/c": 2}, {"a": 3}, [("replace", "/a"), ("remove", "/b~1c")]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [("replace", "/a/1")]),
        ({"a": [1, 2]}, {"a": [1]}, [("replace", "/a")]),
        ({}, {"a": {}}, [("add", "/a")]),
    ],
)
def test_a_difference_is_the_least_that_makes_one_of_the_other(old: Any, new: Any, operations: list[Any]) -> None:
    assert [(one["op"], one["path"]) for one in patch(old, new)] == operations


def test_a_value_without_a_description_is_named() -> None:
    with pytest.raises(UndescribedError, match=r"api\.pods$"):
        read_values("# -- Pods\nreplicas: 1\napi:\n  pods: 2\n")
