# SPDX-License-Identifier: Apache-2.0
"""ipmitool, asked as we ask it, switches on a machine of OpenIPMI's simulator; what is refused is known as that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused
from services.common.runtime.controllers.ipmitool import far
from services.worker.power_on import ipmi_on
from tests.support.ipmi import PASSWORD, USER, Machine, ipmi_machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ipmi_machine(tmp_path) as running:
        yield running


def command(machine: Machine, user: str = USER, password: str = PASSWORD) -> tuple[str, ...]:
    file = machine.folder / "password"
    file.write_text(password)
    given = {"address": "127.0.0.1", "user": user, "password_file": str(file)}
    # The simulator never says which ciphers it has, which ipmitool would wait for.
    return (*far(given), "-C", "3", "-p", str(machine.port))


def test_a_machine_is_switched_on_once(machine: Machine) -> None:
    assert not machine.on
    assert ipmi_on(command(machine)) == "its controller was told to power on"
    assert machine.on
    assert ipmi_on(command(machine)) == "its controller says it is on"
    assert machine.orders == ["set power 1"]


@pytest.mark.parametrize(("user", "password"), [(USER, "canary-of-mine"), ("nobody", PASSWORD)])
def test_a_wrong_user_or_password_is_refused_for_good_and_never_told(
    machine: Machine, user: str, password: str
) -> None:
    with pytest.raises(ControllerRefused) as refused:
        ipmi_on(command(machine, user, password))
    assert "canary" not in str(refused.value)


def test_a_controller_that_is_away_may_be_asked_again(machine: Machine) -> None:
    away = Machine(1, machine.folder)
    with pytest.raises(ControllerFailed) as failed:
        ipmi_on((*command(away), "-N", "1", "-R", "1"))
    assert not isinstance(failed.value, ControllerRefused)
