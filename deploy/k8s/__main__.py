# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.k8s`: write anew all that follows from the chart's values.yaml and templates."""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy.k8s import manifests
from deploy.k8s.components import components
from deploy.k8s.readme import chart_readme
from deploy.k8s.rendering import Object, RefusedError, helm_template
from deploy.k8s.schema import chart_schema
from deploy.k8s.values import UndescribedError, read_values
from deploy.local.setup.cluster_tools import HELM_4, ToolMissingError, had

ROOT = Path(__file__).resolve().parents[2]
CHART, KUSTOMIZE = ROOT / "charts" / "innkeeper", ROOT / "deploy" / "k8s"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "innkeeper-tests"
OVERLAYS = ("demo", "production")


def chart_files() -> manifests.Files:
    """The chart's own written files, by their paths in the checkout."""
    values = read_values((CHART / "values.yaml").read_text())
    schema = json.dumps(chart_schema(values), indent=2, ensure_ascii=False) + "\n"
    own = {"README.md": chart_readme(values), "values.schema.json": schema}
    return {str((CHART / name).relative_to(ROOT)): text for name, text in own.items()}


def kustomize_files(render: Callable[[list[Path]], list[Object]]) -> manifests.Files:
    """Base, overlays and components, by their paths in the checkout."""
    common = manifests.without_helm(render([]))
    found = {f"base/{name}": text for name, text in manifests.base(common).items()}
    made = {name: manifests.without_helm(render([CHART / "ci" / f"{name}-values.yaml"])) for name in OVERLAYS}
    for name, objects in made.items():
        found |= {f"overlays/{name}/{file}": text for file, text in manifests.overlay(common, objects).items()}
    files = {str((KUSTOMIZE / path).relative_to(ROOT)): text for path, text in found.items()}
    return files | components(made["production"], manifests.dump)


def main() -> int:
    """Write; 1 where the chart is refused or helm can't be had."""
    try:
        _write(chart_files())  # first, since helm reads the schema
        _write(kustomize_files(partial(helm_template, had(HELM_4, CACHE), CHART)))
    except (UndescribedError, RefusedError, ToolMissingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write(files: manifests.Files) -> None:
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
