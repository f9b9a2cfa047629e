# SPDX-License-Identifier: Apache-2.0
"""What a family's templates need beyond seed_values, because the system has its own words for what a spec says.

A function takes (entry, spec, secrets) and gives the further values and the problems: what the system can't have is
named by its field. With problems the values are not used.
"""

from collections.abc import Callable, Mapping
from typing import Any

from services.common.catalog import OsEntry
from services.common.contracts.errors import Problem
from services.common.contracts.vm import Secrets, VmSpec
from services.imagebuilder.particulars import esxi, windows

Particulars = Callable[[OsEntry, VmSpec, Secrets], tuple[dict[str, Any], list[Problem]]]

PARTICULARS: Mapping[str, Particulars] = {
    "esxi": esxi.particulars,
    "windows": windows.particulars,
}


def particulars(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> tuple[dict[str, Any], list[Problem]]:
    """Further values and problems of this row's family; nothing for most."""
    found = PARTICULARS.get(entry.family)
    return found(entry, spec, secrets) if found else ({}, [])
