# SPDX-License-Identifier: Apache-2.0
"""What the agent's verbs work with, handed down by whoever wires the agent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.common.contracts.commands import Command
from services.hostagent.artifacts import Artifacts
from services.hostagent.drivers.base import Driver
from services.hostagent.ledger import Ledger
from services.hostagent.power_board import PowerBoard

Facts = dict[str, Any]


@dataclass(frozen=True)
class Hands:
    """`yields` says that a command should give up its wait: something newer is due."""

    driver: Driver
    artifacts: Artifacts
    ledger: Ledger
    board: PowerBoard
    progress: Callable[[Command, float, str], None]
    yields: Callable[[Command], bool]
    tell_all: Callable[[], None]
    show: Callable[[Command, Facts], None]
    list_all: Callable[[Command, Facts], None]
    sleep: Callable[[], None]  # once this command is reported; HostFailed where the host can't
