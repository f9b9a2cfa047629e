# SPDX-License-Identifier: Apache-2.0
"""Tells of a download that takes longer than a moment."""

import time

from services.common.contracts.commands import Command
from services.hostagent.artifacts import Fetched
from services.hostagent.hands import Hands

_TELL_EVERY_S = 1.0


def teller(hands: Hands, command: Command) -> Fetched:
    """What is told of a command's download, once a second."""
    told = time.monotonic()

    def fetched(size: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            hands.progress(command, 100.0 * size / max(1, total), "fetching the image")

    return fetched
