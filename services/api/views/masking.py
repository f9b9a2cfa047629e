# SPDX-License-Identifier: Apache-2.0
"""What members see in place of hosts' names and ids, wherever a job or an event speaks of hosts. Pure."""

from collections.abc import Mapping
from typing import Any

from services.common.contracts.masking import masked_host

JsonDict = dict[str, Any]


def masked_event(message: Mapping[str, Any]) -> JsonDict:
    """An event whose facts name the host that was chosen, or that a job stalled on."""
    data = message.get("data")
    if not data:
        return dict(message)
    if "host_name" in data:
        label = masked_host(str(data.get("host") or ""))
        return {**message, "data": {**data, "host": label, "host_name": label}}
    return {**message, "data": _without_host(data)}


def masked_error(error: JsonDict | None) -> JsonDict | None:
    """Why a job broke, without the host it stalled on; the scheduler has masked those that could not take its vm."""
    if not error or not isinstance(error.get("evidence"), dict):
        return error
    return {**error, "evidence": _without_host(error["evidence"])}


def _without_host(circumstances: JsonDict) -> JsonDict:
    return {**circumstances, "host": None} if "host_state" in circumstances else circumstances
