# SPDX-License-Identifier: Apache-2.0
"""What is for those who look on, as components: an overlay takes the ones whose operator or sidecar is there.

Dashboards are read where they lie, since kustomize takes no file from above its own folder.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from deploy.k8s.rendering import NAMESPACE, Object

MONITORING, DASHBOARDS = PurePosixPath("deploy/k8s/components/monitoring"), PurePosixPath("deploy/grafana/dashboards")
OVERLAYS = PurePosixPath("deploy/k8s/overlays")
_HEAD = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
Dump = Callable[[Sequence[Mapping[str, Any]]], str]


def component_of(one: Object) -> PurePosixPath | None:
    """The folder of the component that an object is part of."""
    if one["apiVersion"].startswith("monitoring.coreos.com/"):
        return MONITORING
    return DASHBOARDS if "grafana_dashboard" in one["metadata"]["labels"] else None


def taken(objects: Sequence[Object]) -> list[str]:
    """The components that these objects are of, as an overlay names them."""
    folders = sorted({found for one in objects if (found := component_of(one))})
    return [os.path.relpath(folder, OVERLAYS / "any") for folder in folders]


def components(objects: Sequence[Object], dump: Dump) -> dict[str, str]:
    """The components' files by their paths in the checkout; `objects` are without Helm's own."""
    monitoring = [one for one in objects if component_of(one) == MONITORING]
    boards = [one for one in objects if component_of(one) == DASHBOARDS]
    return {
        f"{MONITORING}/kustomization.yaml": dump([{**_HEAD, "resources": ["objects.yaml"]}]),
        f"{MONITORING}/objects.yaml": dump(monitoring),
        f"{DASHBOARDS}/kustomization.yaml": dump([{**_HEAD, "configMapGenerator": [*map(_generated, boards)]}]),
    }


def _generated(board: Object) -> dict[str, Any]:
    (name,) = board["data"]
    file = f"{name}={name.removeprefix(f'{NAMESPACE}-')}"
    options = {"labels": board["metadata"]["labels"], "disableNameSuffixHash": True}
    return {"name": board["metadata"]["name"], "namespace": NAMESPACE, "files": [file], "options": options}
