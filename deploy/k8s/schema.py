# SPDX-License-Identifier: Apache-2.0
"""The chart's values.schema.json: closed at every level, so that a misspelt value is refused and not passed over."""

from collections.abc import Sequence
from typing import Any

from deploy.k8s.kinds import Schema, schema_of
from deploy.k8s.values import Value


def chart_schema(values: Sequence[Value]) -> Schema:
    """The schema of a file with these values; `global` is Helm's own."""
    root = _section()
    for value in values:
        section = root
        for name in value.path[:-1]:
            section = section["properties"].setdefault(name, _section())
        leaf = {"description": value.text, **schema_of(value.kind, value.default)}
        section["properties"][value.path[-1]] = leaf
    root["properties"]["global"] = {"type": "object", "description": "Values that charts share; none is read here"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart innkeeper", **root}


def _section() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}
