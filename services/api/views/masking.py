# SPDX-License-Identifier: Apache-2.0
"""What members see in place of hosts' names and ids, wherever a job, an event or a decision speaks of hosts. Pure.

A host is called the same everywhere (names.masked), so that two answers can be compared.
"""

import re
from collections.abc import Mapping
from typing import Any

from services.api.views.names import masked

JsonDict = dict[str, Any]


def masked_event(message: Mapping[str, Any]) -> JsonDict:
    """An event whose facts name the host that was chosen, or that a job stalled on."""
    data = message.get("data")
    if not data:
        return dict(message)
    if "host_name" in data:
        label = _label(str(data.get("host") or ""))
        return {**message, "data": {**data, "host": label, "host_name": label}}
    return {**message, "data": _without_host(data)}


def masked_error(error: JsonDict | None) -> JsonDict | None:
    """Why a job broke, without the host it stalled on; the scheduler has masked those that could not take its vm."""
    if not error or not isinstance(error.get("evidence"), dict):
        return error
    return {**error, "evidence": _without_host(error["evidence"])}


def _without_host(circumstances: JsonDict) -> JsonDict:
    return {**circumstances, "host": None} if "host_state" in circumstances else circumstances


def masked_decision(decision: Mapping[str, Any]) -> JsonDict:
    """A stored explanation (contracts.placement.Decision): its sentences begin with the host's name."""
    request = decision["request"]
    return {
        **decision,
        "request": {**request, "host": _label(request.get("host", ""))},
        "host": _label(decision["host"]),
        "candidates": [{**c, "host": _label(c["host"])} for c in decision["candidates"]],
        "misses": [
            {**m, "host": _label(m["host"]), "reason": f"{_label(m['host'])} {_rest(m['reason'])}"}
            for m in decision["misses"]
        ],
        "relaxations": [_relaxation(r, request.get("host", "")) for r in decision["relaxations"]],
    }


def _relaxation(told: Mapping[str, Any], asked_host: str) -> JsonDict:
    sentence = f"{_label(told['host'])} {_rest(told['sentence'])}"
    asked = str(told["asked"])
    if asked_host:
        sentence, asked = (text.replace(asked_host, _label(asked_host)) for text in (sentence, asked))
    return {**told, "host": _label(told["host"]), "asked": asked, "sentence": sentence}


def _label(host: str) -> str:
    """A mask where there is a host. What the scheduler has masked already ("host-3") stays as it is."""
    return host if not host or re.fullmatch(r"host-\d+", host) else masked(host)


def _rest(sentence: str) -> str:
    return sentence.partition(" ")[2]
