# SPDX-License-Identifier: Apache-2.0
"""What the verbs of volumes do at a host. Each may be repeated, whole or half-done."""

from collections.abc import Callable

from services.common.contracts.commands import Command, VolumePlan
from services.common.contracts.errors import HostFailed
from services.hostagent.hands import Facts, Hands


def attach_volume(hands: Hands, command: Command) -> Facts:
    """Plug them in."""
    return _each(command, lambda volume: hands.driver.attach_volume(command.vm, volume))


def grow_volume(hands: Hands, command: Command) -> Facts:
    """Make them as large as is asked."""
    return _each(command, lambda volume: hands.driver.grow_volume(command.vm, volume))


def detach_volume(hands: Hands, command: Command) -> Facts:
    """Take them off, and remove those that aren't kept."""

    def detach(volume: VolumePlan) -> None:
        hands.driver.detach_volume(command.vm, volume.id)
        if not volume.keep:
            hands.driver.drop_volume(volume.id, volume.datastore)

    return _each(command, detach)


def drop_volume(hands: Hands, command: Command) -> Facts:
    """Remove them: no vm has them."""
    return _each(command, lambda volume: hands.driver.drop_volume(volume.id, volume.datastore))


def _each(command: Command, act: Callable[[VolumePlan], None]) -> Facts:
    if not command.volumes:
        raise HostFailed(f"a command {command.verb} that names no volume")
    for volume in command.volumes:
        act(volume)
    return {"volumes": [volume.id for volume in command.volumes]}
