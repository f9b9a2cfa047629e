# SPDX-License-Identifier: Apache-2.0
"""What each verb does, as one table. Every verb may be repeated, whole or half-done."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import HostFailed, InnkeeperError, TryAgain
from services.common.contracts.evidence import told
from services.hostagent.artifacts import Artifacts, Fetched, artifacts_of
from services.hostagent.drivers.base import Driver, Owner, Power
from services.hostagent.ledger import Ledger
from services.hostagent.power_board import PowerBoard

Facts = dict[str, Any]
_DOWN = (Power.OFF, Power.CRASHED)
PRESS_EVERY_S = 4.0  # a guest that is still booting misses the power button
_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 1.0


@dataclass(frozen=True)
class Hands:
    """What verbs work with. `yields` says that a command should give up its wait: something newer is due."""

    driver: Driver
    artifacts: Artifacts
    ledger: Ledger
    board: PowerBoard
    progress: Callable[[Command, float, str], None]
    yields: Callable[[Command], bool]
    tell_all: Callable[[], None]
    show: Callable[[Command, Facts], None]
    sleep: Callable[[], None]  # once this command is reported; HostFailed where the host can't


def _deploy(hands: Hands, command: Command) -> Facts:
    plan = command.plan
    if plan is None:
        raise HostFailed("a deploy command without a plan")

    files = hands.artifacts.resolve(command.vm, artifacts_of(plan), _teller(hands, command))
    for network in dict.fromkeys(nic.network for nic in plan.nics):
        hands.driver.ensure_network(network)
    hands.driver.deploy(plan, Owner(command.platform, command.vm, command.fence), files)
    return {"uuid": plan.uuid, "name": plan.name}


def _teller(hands: Hands, command: Command) -> Fetched:
    """Tells of a download that takes longer than a moment, once a second."""
    told = time.monotonic()

    def fetched(size: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            hands.progress(command, 100.0 * size / max(1, total), "fetching the image")

    return fetched


def _start(hands: Hands, command: Command) -> Facts:
    hands.driver.start(command.vm)
    return {"power": Power.ON}


def _stop(hands: Hands, command: Command) -> Facts:
    _press_until_off(hands, command)
    return {"power": Power.OFF}


def _force_stop(hands: Hands, command: Command) -> Facts:
    hands.driver.force_stop(command.vm)
    return {"power": Power.OFF}


def _reboot(hands: Hands, command: Command) -> Facts:
    # Off and on again: the only way whose end can be seen from outside, whatever the guest is.
    if not hands.ledger.rebooted(command.vm, command.id):
        _press_until_off(hands, command)
        hands.driver.start(command.vm)
        hands.ledger.note_reboot(command.vm, command.id)
    return {"power": Power.ON}


def _erase(hands: Hands, command: Command) -> Facts:
    hands.ledger.bury(command.vm, command.fence)
    hands.driver.erase(command.vm)
    hands.board.forget(command.vm)
    return {"power": Power.ABSENT}


def _inventory(hands: Hands, _command: Command) -> Facts:
    hands.tell_all()
    return {}


def _evidence(hands: Hands, command: Command) -> Facts:
    """Told whatever comes of it: somebody may wait for it before the vm is erased."""
    try:
        found = hands.driver.evidence(command.vm)
        hands.show(command, told(found.console, found.screenshot))
    except InnkeeperError as error:
        hands.show(command, told("", b"", f"the hypervisor did not show the vm: {error.detail}"))
    return {}


def _sleep(hands: Hands, command: Command) -> Facts:
    # Its answer may be lost when the host sleeps at once; sent again after it has woken, it must not sleep again.
    if hands.ledger.rebooted(command.vm, command.id):
        return {"slept": True}
    running = hands.driver.usage().running_vms
    if running:
        raise HostFailed(f"{running} vms run on this host")
    hands.sleep()
    hands.ledger.note_reboot(command.vm, command.id)
    return {"slept": True}


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
        if now >= press_at:
            hands.driver.press_power(command.vm)
            press_at, presses = now + PRESS_EVERY_S, presses + 1
        hands.board.wait(changes, min(_LOOK_EVERY_S, max(0.0, deadline - now)))


VERBS: Mapping[Verb, Callable[[Hands, Command], Facts]] = {
    Verb.DEPLOY: _deploy,
    Verb.START: _start,
    Verb.STOP: _stop,
    Verb.FORCE_STOP: _force_stop,
    Verb.REBOOT: _reboot,
    Verb.ERASE: _erase,
    Verb.INVENTORY: _inventory,
    Verb.EVIDENCE: _evidence,
    Verb.SLEEP: _sleep,
}
