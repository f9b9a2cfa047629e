# SPDX-License-Identifier: Apache-2.0
"""What not every hypervisor can do: the words for it, and which of them each verb of a vm's life needs. Pure.

A driver declares its own (hostagent.drivers.base.Capability); they arrive in the database as the host's capabilities.
"""

from collections.abc import Collection, Mapping

from services.common.contracts.flow import FLOWS, Flow
from services.common.contracts.network import ANTI_SPOOF_CAPABILITY, VLAN_CAPABILITY
from services.common.contracts.states import STEADY_VM, VM_MOVES, VmState, may_move


class Ability:
    """What a host may be able to do with a vm's life, its disks and its network."""

    SUSPEND = "suspend"
    RESET = "reset"
    RESIZE_HOT_CPU = "resize-hot-cpu"
    RESIZE_HOT_MEMORY = "resize-hot-memory"
    RESIZE_OFF = "resize-off"
    SNAPSHOT = "snapshot"
    SNAPSHOT_MEMORY = "snapshot-memory"
    SNAPSHOT_LIVE_DISKS = "snapshot-live-disks"  # of a vm that runs, its disks alone
    SNAPSHOT_UEFI = "snapshot-uefi"
    VOLUME_ATTACH = "volume-attach"
    VOLUME_HOT = "volume-hot"
    VOLUME_GROW = "volume-grow"
    NIC_ATTACH = "nic-attach"
    NIC_HOT = "nic-hot"
    CLONE_FULL = "clone-full"
    CLONE_LINKED = "clone-linked"
    CLONE_LINKED_LARGER = "clone-linked-larger"  # than the disk it stands on
    REBUILD = "rebuild"
    NETWORK_VLAN = VLAN_CAPABILITY
    ANTI_SPOOF = ANTI_SPOOF_CAPABILITY


# What a verb can't do without; one that isn't here every hypervisor can do.
NEEDS: Mapping[str, str] = {
    "suspend": Ability.SUSPEND,
    "resume": Ability.SUSPEND,
    "reset": Ability.RESET,
    "resize": Ability.RESIZE_OFF,
    "rebuild": Ability.REBUILD,
    "clone": Ability.CLONE_FULL,
    "attach-nic": Ability.NIC_ATTACH,
    "detach-nic": Ability.NIC_ATTACH,
    "attach-volume": Ability.VOLUME_ATTACH,
    "grow-volume": Ability.VOLUME_GROW,
    "detach-volume": Ability.VOLUME_ATTACH,
    "snapshot": Ability.SNAPSHOT,
    "revert": Ability.SNAPSHOT,
    "drop-snapshot": Ability.SNAPSHOT,
}
_VERB, _NO_VERBS = "vm.", ("create", "repair", "redefine")
# What writes nothing to a vm's disk, or ends that: linked clones, which read it, bear that.
LEAVES_DISK = frozenset(
    {"clone", "resize", "attach-nic", "detach-nic", "attach-volume", "grow-volume", "detach-volume"}
    | {"stop", "force-stop", "redefine"}  # somebody started, or lost, it behind our back
)
# A verb whose flow is another vm's: what the vm that it is said of must be.
_OF_ANOTHER: Mapping[str, frozenset[VmState]] = {"clone": frozenset({VmState.STOPPED})}


def verbs() -> Mapping[str, Flow]:
    """Every verb of a vm's life but its creation and its repair, and what it sets going."""
    kinds = {kind.removeprefix(_VERB): flow for kind, flow in FLOWS.items() if kind.startswith(_VERB)}
    return {verb: flow for verb, flow in kinds.items() if verb not in _NO_VERBS}


def possible(state: VmState, busy: bool, can: Collection[str]) -> tuple[str, ...]:
    """The verbs that make sense now for a vm in this state, on a host that can do `can`.

    One that a job works on can be deleted, and nothing else.
    """
    found = (verb for verb, flow in verbs().items() if _from(state, verb, flow) and NEEDS.get(verb, "") in ("", *can))
    return tuple(verb for verb in found if not busy or (verb == "delete" and state != VmState.DELETING))


def _from(state: VmState, verb: str, flow: Flow) -> bool:
    if verb in _OF_ANOTHER:
        return state in _OF_ANOTHER[verb]
    if flow.during is None:
        return state in STEADY_VM
    return may_move(VM_MOVES, state, flow.during)
