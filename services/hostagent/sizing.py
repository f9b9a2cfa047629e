# SPDX-License-Identifier: Apache-2.0
"""The verb that gives a vm other sizes. It may be repeated, whole or half-done."""

from dataclasses import asdict

from services.common.contracts.commands import Command
from services.common.contracts.errors import HostFailed
from services.hostagent.hands import Facts, Hands


def resize(hands: Hands, command: Command) -> Facts:
    """What it has now: the rest waits until it is off."""
    if command.sizes is None:
        raise HostFailed("a resize command without sizes")
    return asdict(hands.driver.resize(command.vm, command.sizes))
