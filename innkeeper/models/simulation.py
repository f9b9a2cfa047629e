# SPDX-License-Identifier: Apache-2.0
"""What a policy would have done, and what still fits."""

from dataclasses import dataclass

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class SizeOutcome(Answer):
    """What became of the requests of one size; `flavor` is empty where none has it now."""

    flavor: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    asked: int = 0
    refused: int = 0
    moved: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome(Answer):
    """What came of one policy."""

    policy: str
    placed: int = 0
    refused: int = 0
    moved: int = 0
    hosts_used: int = 0
    host_hours: float = 0.0
    kwh: float = 0.0
    hot_host_hours: float = 0.0
    wakes: int = 0
    decision_p50_us: float = 0.0
    decision_p99_us: float = 0.0
    sizes: tuple[SizeOutcome, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MovedVm(Answer):
    """A vm that would be elsewhere; `after` is empty where it would be refused."""

    vm: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Simulation(Answer):
    """The policy in force, then the one that was asked about. `picture` is an SVG, empty unless asked for."""

    trace: str = ""
    hosts: int = 0
    vms: int = 0
    compared_with: str = ""
    outcomes: tuple[Outcome, ...] = ()
    moves: tuple[MovedVm, ...] = ()
    picture: str = ""
    took_s: float = 0.0
    limit_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FlavorFits(Answer):
    """How many more vms of one flavor fit, if only that one comes; with `at_least` perhaps more."""

    flavor: str
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    count: int = 0
    hosts: int = 0
    stopped_by: tuple[str, ...] = ()
    at_least: bool = False

    @property
    def name(self) -> str:
        """What `-o name` prints."""
        return self.flavor


@dataclass(frozen=True, kw_only=True)
class Room(Answer):
    """What still fits, by flavor."""

    policy: str = ""
    hosts: int = 0
    flavors: tuple[FlavorFits, ...] = ()
    took_s: float = 0.0
    limit_s: float = 0.0
