# SPDX-License-Identifier: Apache-2.0
"""What a filter and a weigher promise: they are pure, and say the same of a host and of its row in a table."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, Floats, HostTable, Ints

Wish = int | str | tuple[str, ...]  # the value of a field of a Request


@dataclass(frozen=True)
class Refusal:
    """Why a filter refuses a host.

    `reason` goes on after the host's name ("lacks 2048 MiB of memory"). `change` maps fields of the request to the
    nearest values this filter would accept; None where no change of the request helps.
    """

    reason: str
    lacks: Mapping[str, float] = field(default_factory=dict)
    change: Mapping[str, Wish] | None = None


class Filter(ABC):
    """A hard rule. With `fleet` it looks at other hosts too: what changes on one may change what it says of any."""

    name: str
    fleet: bool = False

    def among(self, request: Request, hosts: Sequence[HostView]) -> "Filter":
        """The rule that `refuse` is asked of for this request when these are all hosts; itself unless `fleet`."""
        return self

    @abstractmethod
    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        """Why this host can't take the vm, or None where it can."""

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        """Which of these rows can take the vm: what `refuse` says of each, in one operation where a rule can."""
        return np.fromiter((self.refuse(request, table.view(int(row))) is None for row in rows), np.bool_, len(rows))


class Weigher(ABC):
    """A preference. Its scale is absolute; unless `fleet`, other hosts never change what a host is worth."""

    name: str
    fleet: bool = False

    def among(self, request: Request, hosts: Sequence[HostView]) -> "Weigher":
        """The rule that `norm` is asked of for this request when these are all hosts; itself unless `fleet`."""
        return self

    @abstractmethod
    def norm(self, request: Request, host: HostView) -> float:
        """How well the vm would be placed on this host by this rule: 0 worst, 1 best."""

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        """`norm` of each of these rows, to the last bit; in one operation where a rule can."""
        return np.fromiter((self.norm(request, table.view(int(row))) for row in rows), np.float64, len(rows))
