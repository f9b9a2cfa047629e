# SPDX-License-Identifier: Apache-2.0
"""The ways to wake a host, as its agent tells them: a magic packet, or its own controller. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

LAN = "wol"
CONTROLLERS = ("redfish", "ipmi")
WAYS = (LAN, *CONTROLLERS)


def ways_of(wake: Mapping[str, Any], admitted: Sequence[str] = ()) -> tuple[str, ...]:
    """How a host with this part of its facts (`wake`) can be woken, best first; `admitted` has another order."""
    told = [LAN] if wake.get("mac") else []
    told += [kind for kind in CONTROLLERS if wake.get("controller") == kind]
    return tuple(way for way in (admitted or WAYS) if way in told)
