# SPDX-License-Identifier: Apache-2.0
"""What helm and kubectl make of the chart and of the kustomizations, as objects."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
RELEASE, NAMESPACE = "innkeeper", "innkeeper"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RefusedError(Exception):
    """The program refused; the text is what it said."""


def helm_template(
    helm: Path, chart: Path, values: Sequence[Path] = (), words: Sequence[str] = (), release: str = RELEASE
) -> list[Object]:
    """The objects of the chart with these files of values. Raises RefusedError."""
    files = [word for path in values for word in ("-f", str(path))]
    return _objects([str(helm), "template", release, str(chart), "-n", NAMESPACE, *files, *words])


def kustomize(kubectl: Path, folder: Path) -> list[Object]:
    """The objects of a kustomization. Raises RefusedError."""
    return _objects([str(kubectl), "kustomize", str(folder)])


def _objects(command: list[str]) -> list[Object]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return [found for found in yaml.load_all(done.stdout, Loader=_LOADER) if found]


def key(found: Object) -> tuple[str, str, str]:
    """By what an object is known: kind, namespace, name."""
    meta = found["metadata"]
    return found["kind"], meta.get("namespace", ""), meta["name"]
