# SPDX-License-Identifier: Apache-2.0
"""What hosts are called for those who may not know them: one mask everywhere, so that two answers can be compared.

A decision is made among the hosts as they are, and masked afterwards: a mask never changes who wins a tie.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

JsonDict = dict[str, Any]


def masked_host(host_id: str) -> str:
    """Always the same for the same host; empty where there is none."""
    return f"host-{hashlib.sha256(host_id.encode()).hexdigest()[:8]}" if host_id else ""


def masked_decision(decision: Mapping[str, Any]) -> JsonDict:
    """A plain contracts.placement.Decision; its sentences begin with a host's name."""
    request = decision["request"]
    return {
        **decision,
        "request": {**request, "host": masked_host(request.get("host", ""))},
        "host": masked_host(decision["host"]),
        "candidates": [{**c, "host": masked_host(c["host"])} for c in decision["candidates"]],
        "misses": [
            {**m, "host": masked_host(m["host"]), "reason": _said(m["host"], m["reason"])} for m in decision["misses"]
        ],
        "relaxations": [_relaxation(r, request.get("host", "")) for r in decision["relaxations"]],
    }


def _relaxation(told: Mapping[str, Any], asked_host: str) -> JsonDict:
    sentence, asked = _said(told["host"], told["sentence"]), str(told["asked"])
    if asked_host:
        sentence, asked = (text.replace(asked_host, masked_host(asked_host)) for text in (sentence, asked))
    return {**told, "host": masked_host(told["host"]), "asked": asked, "sentence": sentence}


def _said(host_id: str, sentence: str) -> str:
    return f"{masked_host(host_id)} {sentence.partition(' ')[2]}"
