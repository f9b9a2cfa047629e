# SPDX-License-Identifier: Apache-2.0
"""Quantities as people write them: 8GiB, 512MiB, 90%, 12W, 30s, 5m, 1h."""

import re
from collections.abc import Mapping

_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*$")

MEMORY: Mapping[str, float] = {"MiB": 1, "GiB": 1024, "TiB": 1024 * 1024}  # in MiB
DISK: Mapping[str, float] = {"GiB": 1, "TiB": 1024}  # in GiB
SHARE: Mapping[str, float] = {"%": 0.01}  # of 1
POWER: Mapping[str, float] = {"W": 1, "kW": 1000}  # in watts
DURATION: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}  # in seconds


def quantity(text: str, units: Mapping[str, float]) -> float:
    """The number that `text` means in the table's base unit; ValueError says which units there are."""
    found = _QUANTITY.match(text)
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is not a number with a unit; the units here are {', '.join(units)}")
    return float(found[1]) * units[found[2]]
