# SPDX-License-Identifier: Apache-2.0
"""The verbs of snapshots. Each may be repeated, whole or half-done."""

from dataclasses import asdict

from services.common.contracts.commands import Command, SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.hostagent.hands import Facts, Hands


def take(hands: Hands, command: Command) -> Facts:
    """Keep what the vm is now."""
    snapshot = _meant(command)
    hands.driver.take_snapshot(command.vm, snapshot)
    return {"snapshot": snapshot.id}


def revert(hands: Hands, command: Command) -> Facts:
    """Make the vm what it was, once: what its guest does afterwards is not lost to a repetition."""
    snapshot = _meant(command)
    if command.sizes is None:
        raise HostFailed("a revert command without sizes")
    if not hands.ledger.rebooted(command.vm, command.id):
        hands.driver.revert(command.vm, snapshot)
        hands.ledger.note_reboot(command.vm, command.id)
    # Its definition is the old one, too: the sizes that it is to have are given again.
    now = hands.driver.resize(command.vm, command.sizes)
    return {"power": hands.driver.power(command.vm), **asdict(now)}


def drop(hands: Hands, command: Command) -> Facts:
    """Keep it no longer."""
    snapshot = _meant(command)
    hands.driver.drop_snapshot(command.vm, snapshot.id)
    return {"snapshot": snapshot.id}


def _meant(command: Command) -> SnapshotPlan:
    if command.snapshot is None:
        raise HostFailed(f"a {command.verb} command without a snapshot")
    return command.snapshot
