# SPDX-License-Identifier: Apache-2.0
"""Watts from a machine's own controller: used while fresh, and nothing it may say or fail at stops the agent."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.common.runtime.controllers.failing import ControllerFailed
from services.common.runtime.controllers.redfish import RedfishSettings, opened
from services.hostagent.power_meter_settings import power_meter, power_meter_problems
from services.hostagent.power_meters import IpmiMeter, MeterWatch
from services.hostagent.redfish_meter import RedfishMeter
from services.hostagent.watts import PowerMeter
from tests.support.redfish import PASSWORD, USER, Controller, certificate, controller

CURVE = tuple(float(100 + 10 * n) for n in range(11))


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path) as running:
        yield running


def meter(bmc: Controller, password: str = PASSWORD, ca_file: str = "") -> RedfishMeter:
    return RedfishMeter(RedfishSettings(bmc.url, USER, password, ca_file or str(bmc.ca_file)))


def test_the_chassis_that_tells_is_read(bmc: Controller) -> None:
    assert meter(bmc).watts() == 214.0


def test_an_older_controller_is_read_too(tmp_path: Path) -> None:
    with controller(tmp_path, 180, old=True) as bmc:
        assert meter(bmc).watts() == 180.0


@pytest.mark.parametrize("nonsense", [-5, 0, 1e9, "214", None, True, [214], float("nan")])
def test_what_no_machine_draws_is_no_reading(tmp_path: Path, nonsense: Any) -> None:
    with controller(tmp_path, nonsense) as bmc, pytest.raises(ControllerFailed):
        meter(bmc).watts()


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"Members": 7}', b'{"Members": [7]}', b"\xff\xfe", b"x" * 2_000_000]
)
def test_an_answer_that_is_none_is_a_failure(bmc: Controller, raw: bytes) -> None:
    bmc.raw = raw
    with pytest.raises(ControllerFailed):
        meter(bmc).watts()


@pytest.mark.parametrize("status", [301, 403, 404, 500, 503])
def test_a_refusal_is_a_failure(bmc: Controller, status: int) -> None:
    bmc.status = status
    with pytest.raises(ControllerFailed, match=str(status)):
        meter(bmc).watts()


def test_a_wrong_password_is_said_without_the_password(bmc: Controller) -> None:
    with pytest.raises(ControllerFailed, match="401") as refused:
        meter(bmc, password="canary-of-mine").watts()
    assert "canary" not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_controller_nobody_vouches_for_gets_no_password(bmc: Controller, tmp_path: Path) -> None:
    other, _ = certificate(tmp_path, "somebody-else")
    with pytest.raises(ControllerFailed, match="certificate"):
        meter(bmc, ca_file=str(other)).watts()
    assert bmc.asked == []


def test_a_controller_that_answers_too_late_is_a_failure(bmc: Controller) -> None:
    bmc.latency_s = 0.5
    settings = RedfishSettings(bmc.url, USER, PASSWORD, str(bmc.ca_file))
    client = opened(settings)
    client.timeout = httpx.Timeout(0.1)
    with pytest.raises(ControllerFailed, match="Timeout"):
        RedfishMeter(settings, client).watts()


def test_a_controller_that_points_elsewhere_is_not_followed(bmc: Controller) -> None:
    bmc.documents["/redfish/v1/Chassis"] = {"Members": [{"@odata.id": "https://127.0.0.2/steal"}]}
    with pytest.raises(ControllerFailed, match="another machine"):
        meter(bmc).watts()


class Told:
    """A meter that says what it is told to; None: it fails."""

    name = "redfish"
    now: float | None = 150.0

    def watts(self) -> float:
        if self.now is None:
            raise ControllerFailed("away")
        return self.now


def test_a_reading_is_used_while_it_is_fresh_and_the_curve_after_that(tmp_path: Path) -> None:
    clock = [0.0]
    told = Told()
    watch = MeterWatch(told, lambda: clock[0])
    host = PowerMeter(CURVE, tmp_path / "none", outside=watch)
    assert host.read(50.0) == (150.0, "curve")
    told.now = 172.5
    watch.ask()
    assert host.read(50.0) == (172.5, "redfish")
    told.now = None
    clock[0] = 59.0
    watch.ask()
    assert host.read(50.0) == (172.5, "redfish")
    clock[0] = 61.0
    watch.ask()
    assert host.read(50.0) == (150.0, "curve")


def tool(folder: Path, says: str, status: int = 0) -> IpmiMeter:
    """An ipmitool that says this."""
    path = folder / "ipmitool"
    (folder / "says").write_text(says)
    path.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat {folder}/says\nexit {status}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return IpmiMeter((str(path),))


DCMI = """
    Instantaneous power reading:                   214 Watts
    Minimum during sampling period:                 12 Watts
    Power reading state is:                   activated
"""


def test_ipmitool_is_asked_for_dcmi_s_reading(tmp_path: Path) -> None:
    assert tool(tmp_path, DCMI).watts() == 214.0
    assert (tmp_path / "asked").read_text() == "dcmi power reading\n"


@pytest.mark.parametrize(
    ("says", "status"),
    [("", 0), (DCMI, 1), (DCMI.replace("214", "0"), 0), (DCMI.replace("214", "many"), 0), (DCMI.replace("214", ""), 0)],
)
def test_what_ipmitool_can_not_tell_is_a_failure(tmp_path: Path, says: str, status: int) -> None:
    with pytest.raises(ControllerFailed):
        tool(tmp_path, says, status).watts()


def test_a_machine_without_ipmitool_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControllerFailed, match="not installed"):
        IpmiMeter((str(tmp_path / "ipmitool"),)).watts()


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ([], "power_meter"),
        ({"sensors": {}}, "power_meter"),
        ({"redfish": None}, "power_meter.redfish"),
        ({"redfish": {"url": "https://bmc"}}, "power_meter.redfish.user"),
        ({"redfish": {"url": "https://bmc", "user": "u", "password": "p"}}, "power_meter.redfish.password"),
        ({"redfish": {"url": "http://bmc", "user": "u", "password_file": "/dev/null"}}, "power_meter.redfish.url"),
        ({"redfish": {"url": "https://u:p@bmc", "user": "u", "password_file": "/dev/null"}}, "power_meter.redfish.url"),
        ({"redfish": {"url": "https://bmc", "user": "u", "password_file": "/no"}}, "power_meter.redfish.password_file"),
        ({"ipmi": {"address": 7}}, "power_meter.ipmi.address"),
        ({"ipmi": {"address": "10.0.0.1"}}, "power_meter.ipmi.user"),
    ],
)
def test_a_wrong_configuration_is_told_by_its_key(asked: Any, wrong: str) -> None:
    assert next(p.partition(":")[0] for p in power_meter_problems(asked)) == wrong


def test_a_configured_controller_is_asked_with_the_password_of_its_file(bmc: Controller, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    asked = {"url": bmc.url, "user": USER, "password_file": str(tmp_path / "password"), "ca_file": str(bmc.ca_file)}
    assert power_meter_problems({"redfish": asked}) == []
    found = power_meter({"redfish": asked})
    assert found is not None
    assert found.watts() == 214.0
