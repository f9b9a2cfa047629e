# SPDX-License-Identifier: Apache-2.0
"""The verbs that change whether a vm runs. Each may be repeated, whole or half-done."""

import time

from services.common.contracts.commands import Command
from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.base import Power
from services.hostagent.hands import Facts, Hands

_DOWN = (Power.OFF, Power.CRASHED)
PRESS_EVERY_S = 4.0  # a guest that is still booting misses the power button
_LOOK_EVERY_S = 0.5


def start(hands: Hands, command: Command) -> Facts:
    """Power on."""
    hands.driver.start(command.vm)
    return {"power": Power.ON}


def stop(hands: Hands, command: Command) -> Facts:
    """Ask the guest to shut down, and wait until it has."""
    _press_until_off(hands, command)
    return {"power": Power.OFF}


def force_stop(hands: Hands, command: Command) -> Facts:
    """Pull the plug."""
    hands.driver.force_stop(command.vm)
    return {"power": Power.OFF}


def reboot(hands: Hands, command: Command) -> Facts:
    """Off and on again: the only way whose end can be seen from outside, whatever the guest is."""
    if not hands.ledger.rebooted(command.vm, command.id):
        _press_until_off(hands, command)
        hands.ledger.note_reboot(command.vm, command.id)
    # After the note, since this can be repeated: an agent that dies in between must not make the guest boot twice.
    hands.driver.start(command.vm)
    return {"power": Power.ON}


def reset(hands: Hands, command: Command) -> Facts:
    """Press the reset button once."""
    if not hands.ledger.rebooted(command.vm, command.id):
        hands.driver.reset(command.vm)
        hands.ledger.note_reboot(command.vm, command.id)
    return {"power": Power.ON}


def suspend(hands: Hands, command: Command) -> Facts:
    """Let it stand still."""
    hands.driver.suspend(command.vm)
    return {"power": Power.PAUSED}


def resume(hands: Hands, command: Command) -> Facts:
    """Let it go on."""
    hands.driver.resume(command.vm)
    return {"power": Power.ON}


def _press_until_off(hands: Hands, command: Command) -> None:
    """Press the power button every few seconds until the guest has shut down."""
    deadline, press_at, presses = time.monotonic() + command.timeout_s, 0.0, 0
    while True:
        changes, power, now = hands.board.changes(), hands.driver.power(command.vm), time.monotonic()
        if power in _DOWN:
            return
        if power == Power.ABSENT:
            raise HostFailed(f"vm {command.vm} is not on this host")
        if now >= deadline:
            raise HostFailed(
                f"the guest did not shut down within {command.timeout_s:.0f} s, after {presses} presses of the power"
                " button; use force-stop to pull the plug"
            )
        if hands.yields(command):
            raise TryAgain("stopped waiting for the guest: something newer is due")
        if power == Power.PAUSED:
            hands.driver.resume(command.vm)  # a guest that stands still hears no button
        if now >= press_at:
            hands.driver.press_power(command.vm)
            press_at, presses = now + PRESS_EVERY_S, presses + 1
        hands.board.wait(changes, min(_LOOK_EVERY_S, max(0.0, deadline - now)))
