# SPDX-License-Identifier: Apache-2.0
"""What the verb `clone` does at a host. It may be repeated, whole or half-done."""

import time

from services.common.contracts.commands import Command
from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.base import Copied
from services.hostagent.hands import Facts, Hands

_TELL_EVERY_S = 1.0


def clone(hands: Hands, command: Command) -> Facts:
    """Copy the disk; a copy that takes long tells how far it is, and gives up for whatever is due after it."""
    if command.clone is None:
        raise HostFailed("a clone command that names no source")
    hands.driver.clone_disk(command.vm, command.clone, teller(hands, command, "copying the disk"))
    return {"source": command.clone.source}


def teller(hands: Hands, command: Command, text: str) -> Copied:
    """What is told of a command's copy, once a second; it ends for whatever is due after the command."""
    told = time.monotonic()

    def copied(percent: float) -> None:
        nonlocal told
        if hands.yields(command):
            raise TryAgain("the copy was broken off for a newer command")
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            hands.progress(command, percent, text)

    return copied
