# SPDX-License-Identifier: Apache-2.0
"""How large a vm's machine is, and what of a change waits until it is off. Pure."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sizes:
    """Virtual CPUs, and memory in MiB."""

    vcpus: int
    memory_mib: int

    def most(self, other: "Sizes") -> "Sizes":
        """The larger of each."""
        return Sizes(max(self.vcpus, other.vcpus), max(self.memory_mib, other.memory_mib))

    def less(self, other: "Sizes") -> "Sizes":
        """How much more of each this is than the other, never negative."""
        return Sizes(max(0, self.vcpus - other.vcpus), max(0, self.memory_mib - other.memory_mib))


NOTHING = Sizes(0, 0)


def waiting(now: Sizes, asked: Sizes) -> dict[str, int]:
    """What a vm still has of the sizes that are to become others; empty where all is as asked."""
    wanted = asdict(asked)
    return {name: has for name, has in asdict(now).items() if has != wanted[name]}
