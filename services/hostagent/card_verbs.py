# SPDX-License-Identifier: Apache-2.0
"""What the verbs of cards do at a host. Each may be repeated, whole or half-done."""

from services.common.contracts.commands import CardPlan, Command
from services.common.contracts.errors import HostFailed
from services.hostagent.fetching import teller
from services.hostagent.hands import Facts, Hands


def attach_nic(hands: Hands, command: Command) -> Facts:
    """Plug it into its network; the seed comes last, so that it describes nothing that isn't there."""
    card = _card(command)
    hands.driver.ensure_network(card.nic.network)
    hands.driver.attach_nic(command.vm, card.nic)
    _change_seed(hands, command, card)
    return {"mac": card.nic.mac}


def detach_nic(hands: Hands, command: Command) -> Facts:
    """Take it out."""
    card = _card(command)
    hands.driver.detach_nic(command.vm, card.nic.mac)
    _change_seed(hands, command, card)
    return {"mac": card.nic.mac}


def _change_seed(hands: Hands, command: Command, card: CardPlan) -> None:
    if card.seed is not None:
        files = hands.artifacts.resolve(command.vm, [card.seed], teller(hands, command))
        hands.driver.change_seed(command.vm, files[card.seed.sha256])


def _card(command: Command) -> CardPlan:
    if command.card is None:
        raise HostFailed(f"a command {command.verb} that names no card")
    return command.card
