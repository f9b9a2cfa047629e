# SPDX-License-Identifier: Apache-2.0
"""What shall go wrong on a fake host: said by the vm's name (`web-never-boots`) or by the agent's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

DEPLOY_FAILS = "deploy-fails"  # the hypervisor refuses the definition
START_FAILS = "start-fails"  # the hypervisor refuses to start it
ERASE_FAILS = "erase-fails"
CLONE_FAILS = "clone-fails"  # its disk can't be copied
PLUG_FAILS = "plug-fails"  # the hypervisor refuses to plug volumes and cards in
NEVER_BOOTS = "never-boots"  # runs, and its guest never speaks
BOOT_FAILS = "boot-fails"  # its guest reports a failure
INSTALL_FAILS = "install-fails"  # its installer reports a failure, half-way
INSTALL_HANGS = "install-hangs"  # its installer falls silent, half-way
NO_HOTPLUG = "no-hotplug"  # takes no processor and no memory while it runs
SNAPSHOT_BREAKS = "snapshot-breaks"  # is taken, and told as failed
IGNORES_ACPI = "ignores-acpi"  # its guest doesn't react to the power button
CRASHES = "crashes"  # dies half a boot after its start
ONLY_TOOLS = "only-tools"  # its guest never speaks to us; the hypervisor's own program in it does
SLEEP_FAILS = "sleep-fails"  # the host itself: says that it sleeps, and doesn't
WAKE_FAILS = "wake-fails"  # the host itself: never hears a magic packet
WRONG_NETWORK = "wrong-network"  # comes up without its first address
FAULTS = frozenset(
    {
        DEPLOY_FAILS,
        START_FAILS,
        ERASE_FAILS,
        CLONE_FAILS,
        PLUG_FAILS,
        NEVER_BOOTS,
        BOOT_FAILS,
        INSTALL_FAILS,
        INSTALL_HANGS,
        NO_HOTPLUG,
        SNAPSHOT_BREAKS,
        IGNORES_ACPI,
        CRASHES,
        WRONG_NETWORK,
        ONLY_TOOLS,
        SLEEP_FAILS,
        WAKE_FAILS,
    }
)


@dataclass(frozen=True)
class Habits:
    """How a fake host behaves: the seconds things take, and the faults every vm on it has."""

    deploy_s: float = 0.0
    start_s: float = 0.0
    boot_s: float = 0.0
    install_s: float = 0.0
    stop_s: float = 0.0
    heartbeat_s: float = 10.0
    sleep_s: float = 0.0
    wake_s: float = 0.0
    clone_s: float = 0.0
    faults: tuple[str, ...] = field(default=())

    SECONDS: ClassVar[tuple[str, ...]] = (
        *("deploy_s", "start_s", "boot_s", "install_s", "stop_s", "heartbeat_s"),
        *("sleep_s", "wake_s", "clone_s"),
    )

    def has(self, fault: str, vm_name: str) -> bool:
        """Whether this vm has that fault."""
        return fault in self.faults or fault in vm_name


def habits_problems(config: Mapping[str, Any]) -> list[str]:
    """What is wrong with the `fake` section of an agent's configuration; each names its key."""
    problems = [f"fake.{key}: unknown key" for key in config if key not in (*Habits.SECONDS, "faults")]
    for key in Habits.SECONDS:
        value = config.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            problems.append(f"fake.{key}: {value!r} is no number of seconds")
    faults = config.get("faults", [])
    if not isinstance(faults, list):
        return [*problems, "fake.faults: give a list"]
    known = ", ".join(sorted(FAULTS))
    return problems + [
        f"fake.faults: {fault!r} is unknown; known are {known}" for fault in faults if fault not in FAULTS
    ]


def read_habits(config: Mapping[str, Any]) -> Habits:
    """The habits of a checked `fake` section."""
    seconds = {key: float(config[key]) for key in Habits.SECONDS if key in config}
    return Habits(**seconds, faults=tuple(config.get("faults", ())))
