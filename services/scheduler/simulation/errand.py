# SPDX-License-Identifier: Apache-2.0
"""What a process of its own is sent to do, as plain values: policies go as texts, since rules can't be sent."""

from dataclasses import dataclass, field

from services.common.contracts.placement import HostView, Request
from services.scheduler.policy import Policy
from services.scheduler.policy_base import Find
from services.scheduler.policy_file import read_policy
from services.scheduler.simulation.trace import Arrival


@dataclass(frozen=True)
class Written:
    """A policy as text, with the texts of those it extends by "name@version"."""

    text: str
    bases: dict[str, str] = field(default_factory=dict)

    def read(self) -> Policy:
        """The policy."""
        return read_policy(self.text, find=lambda name, version: self.bases.get(f"{name}@{version}"))


@dataclass(frozen=True)
class Trial:
    """Replay what was recorded, or else these lines, under each of the policies."""

    policies: tuple[Written, ...]
    hosts: tuple[HostView, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    until: float = 0.0
    lines: str = ""
    picture: bool = False


@dataclass(frozen=True)
class Count:
    """Count how many more vms of each flavor fit; `seconds` for what has to be counted one by one."""

    policy: Written
    hosts: tuple[HostView, ...]
    flavors: dict[str, Request]
    seconds: float


@dataclass(frozen=True)
class Errand:
    """One of the two."""

    trial: Trial | None = None
    count: Count | None = None


def written(text: str, find: Find) -> tuple[Written, Policy]:
    """The text with all that it extends, and the policy; raises Invalid with everything that is wrong in it."""
    bases: dict[str, str] = {}

    def found(name: str, version: int) -> str | None:
        base = find(name, version)
        if base is not None:
            bases[f"{name}@{version}"] = base
        return base

    policy = read_policy(text, find=found)
    return Written(text, bases), policy
