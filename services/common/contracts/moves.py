# SPDX-License-Identifier: Apache-2.0
"""A move of a vm from one host to another, as a plan has it and as it is handed out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """One vm from host to host, by their ids."""

    vm: str
    source: str
    target: str
