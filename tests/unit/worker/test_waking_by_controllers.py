# SPDX-License-Identifier: Apache-2.0
"""A machine is switched on by its controller; whatever that fails at is told, and the next way is tried."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.waking import ways_of
from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused
from services.common.runtime.controllers.redfish import Redfish, RedfishSettings, opened
from services.common.runtime.settings import SettingsError
from services.worker.calling import Caller, Sleeper
from services.worker.controllers import Controllers
from services.worker.power_on import ipmi_on, redfish_on
from tests.support.redfish import PASSWORD, RESET, SYSTEM, USER, Controller, certificate, controller

MAC = {"mac": "52:54:00:12:34:56"}


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path) as running:
        yield running


def door(bmc: Controller, password: str = PASSWORD, ca_file: str = "") -> Redfish:
    return Redfish(RedfishSettings(bmc.url, USER, password, ca_file or str(bmc.ca_file)))


def offers(bmc: Controller, *kinds: str) -> None:
    bmc.documents[SYSTEM]["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] = list(kinds)


def test_a_machine_that_is_off_is_switched_on_and_then_left_alone(bmc: Controller) -> None:
    assert "On" in redfish_on(door(bmc))
    assert "is On" in redfish_on(door(bmc))
    assert bmc.posted == [(RESET, {"ResetType": "On"})]


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [(("ForceOff", "On"), "On"), (("PushPowerButton", "ForceOff"), "PushPowerButton"), (("ForceOn",), "ForceOn")],
)
def test_the_best_of_what_is_offered_is_taken(bmc: Controller, kinds: tuple[str, ...], chosen: str) -> None:
    offers(bmc, *kinds)
    redfish_on(door(bmc))
    assert bmc.posted == [(RESET, {"ResetType": chosen})]


@pytest.mark.parametrize("state", ["On", "PoweringOn", "PoweringOff", None])
def test_the_button_is_pushed_for_a_machine_that_is_surely_off_only(bmc: Controller, state: str | None) -> None:
    offers(bmc, "PushPowerButton")
    bmc.documents[SYSTEM]["PowerState"] = state
    if state in ("On", "PoweringOn"):
        redfish_on(door(bmc))
    else:
        with pytest.raises(ControllerRefused, match="offers"):
            redfish_on(door(bmc))
    assert bmc.posted == []


def test_of_several_systems_the_one_that_is_meant_must_be_named(bmc: Controller) -> None:
    bmc.documents["/redfish/v1/Systems"]["Members"].append({"@odata.id": "/redfish/v1/Systems/2"})
    with pytest.raises(ControllerRefused, match="has 2 systems"):
        redfish_on(door(bmc))
    redfish_on(door(bmc), SYSTEM)
    assert len(bmc.posted) == 1


def test_a_controller_that_would_send_the_order_elsewhere_is_refused(bmc: Controller) -> None:
    bmc.documents[SYSTEM]["Actions"]["#ComputerSystem.Reset"]["target"] = "https://127.0.0.2/steal"
    with pytest.raises(ControllerRefused, match="another machine"):
        redfish_on(door(bmc))


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
def test_an_order_that_is_not_taken_is_a_failure_that_may_pass(bmc: Controller, status: int) -> None:
    bmc.post_status = status
    with pytest.raises(ControllerFailed, match=str(status)) as failed:
        redfish_on(door(bmc))
    assert not isinstance(failed.value, ControllerRefused)


def test_a_wrong_password_and_a_strange_certificate_are_refused_for_good(bmc: Controller, tmp_path: Path) -> None:
    with pytest.raises(ControllerRefused, match="401") as refused:
        redfish_on(door(bmc, password="canary-of-mine"))
    assert "canary" not in f"{refused.value!r} {refused.value.__cause__!r}"
    other, _ = certificate(tmp_path, "somebody-else")
    asked = len(bmc.asked)
    with pytest.raises(ControllerRefused, match="certificate"):
        redfish_on(door(bmc, ca_file=str(other)))
    assert len(bmc.asked) == asked


def test_a_controller_that_answers_too_late_may_be_asked_again(bmc: Controller) -> None:
    bmc.latency_s = 0.5
    settings = RedfishSettings(bmc.url, USER, PASSWORD, str(bmc.ca_file))
    client = opened(settings)
    client.timeout = httpx.Timeout(0.1)
    with pytest.raises(ControllerFailed, match="Timeout") as failed:
        redfish_on(Redfish(settings, client))
    assert not isinstance(failed.value, ControllerRefused)


def tool(folder: Path, says: str = "Chassis Power is off", status: int = 0, wrong: str = "") -> tuple[str, ...]:
    """An ipmitool that says this, and writes down what it was asked."""
    path = folder / "ipmitool"
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\necho "{says}"\necho "{wrong}" >&2\nexit {status}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path),)


@pytest.mark.parametrize(
    ("says", "asked"),
    [
        ("Chassis Power is off", ["chassis power status", "chassis power on"]),
        ("Chassis Power is on", ["chassis power status"]),
    ],
)
def test_ipmi_switches_on_what_is_off(tmp_path: Path, says: str, asked: list[str]) -> None:
    ipmi_on(tool(tmp_path, says))
    assert (tmp_path / "asked").read_text().splitlines() == asked


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("Error: Unable to establish IPMI v2 / RMCP+ session", ControllerFailed),
        ("RAKP 2 HMAC is invalid", ControllerRefused),
        ("Set Chassis Power Control failed: Insufficient privilege level", ControllerRefused),
    ],
)
def test_what_ipmitool_complains_of_is_told(tmp_path: Path, wrong: str, kind: type[Exception]) -> None:
    with pytest.raises(ControllerFailed, match="ended with 1") as failed:
        ipmi_on(tool(tmp_path, status=1, wrong=wrong))
    assert type(failed.value) is kind
    with pytest.raises(ControllerFailed, match="neither"):
        ipmi_on(tool(tmp_path, "what?"))
    with pytest.raises(ControllerRefused, match="not installed"):
        ipmi_on((str(tmp_path / "none"),))


def book(folder: Path, bmc: Controller, password: str = PASSWORD, **more: Any) -> Controllers:
    """The controllers' file with the host cellar-7 in it."""
    (folder / "password").write_text(password)
    asked = {"url": bmc.url, "user": USER, "password_file": str(folder / "password"), "ca_file": str(bmc.ca_file)}
    (folder / "controllers.yaml").write_text(yaml.safe_dump({"cellar-7": {"redfish": {**asked, **more}}}))
    return Controllers(folder / "controllers.yaml")


class Packets:
    """Counts magic packets, or can't send any."""

    def __init__(self, works: bool = True) -> None:
        self.sent, self.works = 0, works

    def __call__(self, wake: Mapping[str, Any]) -> None:
        if not self.works:
            raise TryAgain("the magic packet can't be sent: no network")
        self.sent += 1


def sleeper(**wake: Any) -> Sleeper:
    return Sleeper("job", "cellar-7", wake, ways_of(wake))


def test_each_try_takes_the_next_way(bmc: Controller, tmp_path: Path) -> None:
    packets = Packets()
    caller = Caller(book(tmp_path, bmc), packets)
    host = sleeper(**MAC, controller="redfish")
    told = [caller.call(host, attempt).partition(":")[0] for attempt in range(3)]
    assert told == ["called by wol", "called by redfish", "called by wol"]
    assert (packets.sent, len(bmc.posted)) == (2, 1)


def test_where_one_way_fails_the_next_is_tried_at_once(bmc: Controller, tmp_path: Path) -> None:
    told = Caller(book(tmp_path, bmc), Packets(works=False)).call(sleeper(**MAC, controller="redfish"), 0)
    assert told.startswith("called by redfish")
    assert "wol: the magic packet can't be sent" in told
    assert len(bmc.posted) == 1


def test_a_controller_that_refused_is_not_asked_again_for_the_same_job(bmc: Controller, tmp_path: Path) -> None:
    packets = Packets()
    caller = Caller(book(tmp_path, bmc, "canary-of-mine"), packets)
    told = [caller.call(sleeper(**MAC, controller="redfish"), attempt) for attempt in range(4)]
    assert (packets.sent, len(bmc.asked)) == (4, 1)
    assert all("redfish: the controller answers 401" in one and "canary" not in one for one in told[1:])


def test_without_a_way_that_may_still_work_the_host_is_given_up(bmc: Controller, tmp_path: Path) -> None:
    caller = Caller(book(tmp_path, bmc, "wrong"), Packets())
    with pytest.raises(HostFailed, match="401"):
        caller.call(sleeper(controller="redfish"), 0)
    with pytest.raises(HostFailed, match="401"):
        caller.call(sleeper(controller="redfish"), 1)
    assert len(bmc.asked) == 1
    bmc.status = 503
    with pytest.raises(TryAgain, match="503"):
        Caller(book(tmp_path, bmc), Packets()).call(sleeper(controller="redfish"), 0)


@pytest.mark.parametrize(
    ("host", "way", "told"),
    [("attic-3", "redfish", "INNKEEPER_CONTROLLERS_FILE"), ("cellar-7", "ipmi", "has redfish for host cellar-7")],
)
def test_what_the_file_lacks_is_told(bmc: Controller, tmp_path: Path, host: str, way: str, told: str) -> None:
    with pytest.raises(ControllerRefused, match=told):
        book(tmp_path, bmc).power_on(host, way)


def test_a_file_that_broke_meanwhile_is_told_when_it_is_needed(bmc: Controller, tmp_path: Path) -> None:
    controllers = book(tmp_path, bmc)
    (tmp_path / "password").unlink()
    with pytest.raises(ControllerRefused, match="can't be read"):
        controllers.power_on("cellar-7", "redfish")
    (tmp_path / "controllers.yaml").write_text("{")
    with pytest.raises(ControllerRefused, match="not YAML"):
        controllers.power_on("cellar-7", "redfish")


def test_a_wrong_file_is_told_whole_at_the_start(bmc: Controller, tmp_path: Path) -> None:
    book(tmp_path, bmc, system=SYSTEM).check()
    Controllers(None).check()
    (tmp_path / "controllers.yaml").write_text("a: {redfish: {url: http://x}}\nb: {ssh: {}}\n")
    with pytest.raises(SettingsError) as wrong:
        Controllers(tmp_path / "controllers.yaml").check()
    assert [line.partition(": ")[2].partition(":")[0] for line in str(wrong.value).splitlines()] == [
        "a.redfish.user",
        "a.redfish.password_file",
        "a.redfish.url",
        "b",
    ]
    with pytest.raises(SettingsError, match="can't be read"):
        Controllers(tmp_path / "none.yaml").check()
    (tmp_path / "controllers.yaml").write_text("- a\n")
    with pytest.raises(SettingsError, match="mapping"):
        Controllers(tmp_path / "controllers.yaml").check()


@pytest.mark.parametrize(
    ("wake", "admitted", "ways"),
    [
        ({}, (), ()),
        (MAC, (), ("wol",)),
        ({**MAC, "controller": "ipmi"}, (), ("wol", "ipmi")),
        ({**MAC, "controller": "redfish"}, ("redfish", "wol"), ("redfish", "wol")),
        ({**MAC, "controller": "redfish"}, ("ipmi",), ()),
    ],
)
def test_a_host_has_the_ways_its_agent_told_in_the_order_of_the_policy(
    wake: Mapping[str, Any], admitted: tuple[str, ...], ways: tuple[str, ...]
) -> None:
    assert ways_of(wake, admitted) == ways
