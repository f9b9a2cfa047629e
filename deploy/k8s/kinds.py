# SPDX-License-Identifier: Apache-2.0
"""The words in brackets that say what a value of the chart may be, as JSON Schema."""

import re
from typing import Any

Schema = dict[str, Any]

IMAGES = (
    "api",
    "conductor",
    "scheduler",
    "imagebuilder",
    "worker",
    "hostagent-libvirt",
    "hostagent-vsphere",
    "flower",
)
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}


def _closed(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _each(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_FREE: Schema = {"type": "object"}
_AMOUNTS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
_TOLERATION = _closed(key=_TEXT, operator=_TEXT, value=_TEXT, effect=_TEXT, tolerationSeconds={"type": "integer"})
_LABELS = _closed(matchLabels=_TEXTS, matchExpressions={"type": "array"})
_BLOCK = _closed(cidr=_TEXT, **{"except": _each(_TEXT)})
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PARENT = _closed(group=_TEXT, kind=_TEXT, name=_TEXT, namespace=_TEXT, sectionName=_TEXT, port=_PORT)

KINDS: dict[str, Schema] = {
    "texts": _TEXTS,
    "list of texts": _each(_TEXT),
    "list of numbers": _each({"type": "integer"}),
    "port": _PORT,
    "resources": _closed(requests=_AMOUNTS, limits=_AMOUNTS, claims={"type": "array"}),
    "affinity": _closed(nodeAffinity=_FREE, podAffinity=_FREE, podAntiAffinity=_FREE),
    "tolerations": _each(_TOLERATION),
    "peers": _each(_closed(podSelector=_LABELS, namespaceSelector=_LABELS, ipBlock=_BLOCK)),
    "parents": _each(_PARENT),
    "digests": _closed(**{image: {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"} for image in IMAGES}),
    "environment": {**_TEXTS, "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]*$"}},
    "name": {**_TEXT, "pattern": "^([a-z]([a-z0-9-]*[a-z0-9])?)?$"},
    "names": {**_TEXTS, "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$"}},
}


def schema_of(word: str, default: object) -> Schema:
    """What the word in brackets means; without one, the default says it. ValueError for what says nothing."""
    if word in KINDS:
        return KINDS[word]
    if choice := re.fullmatch(r"one of (\S+)", word):
        return {"type": "string", "enum": choice[1].split("|")}
    if least := re.fullmatch(r"from (\d+)", word):
        return {"type": "integer", "minimum": int(least[1])}
    plain = {bool: "boolean", int: "integer", str: "string"}.get(type(default))
    if word or plain is None:
        raise ValueError(f"[{word}] says nothing about {default!r}")
    return {"type": plain}
