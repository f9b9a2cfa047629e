# SPDX-License-Identifier: Apache-2.0
"""Switches a machine on by its controller. One that is on already is left alone, so it may be asked again and again."""

from collections.abc import Mapping
from typing import Any

from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused
from services.common.runtime.controllers.ipmitool import TIMEOUT_S, told
from services.common.runtime.controllers.redfish import Redfish

_RESET = "#ComputerSystem.Reset"
_BUTTON = "PushPowerButton"
_KINDS = ("On", _BUTTON, "ForceOn")  # the best first
_IS_ON = ("On", "PoweringOn")


def redfish_on(controller: Redfish, system: str = "") -> str:
    """Switch the machine on, the one at `system` where the controller has several; what was done, for people."""
    path = system or _only(tuple(controller.members("/redfish/v1/Systems")))
    found = controller.get(path)
    state = str(found.get("PowerState") or "unknown")
    if state in _IS_ON:
        return f"its controller says it is {state}"
    reset = (found.get("Actions") or {}).get(_RESET) or {}
    target = reset.get("target")
    if not isinstance(target, str) or not target:
        raise ControllerRefused("the controller has no way to switch the machine on")
    kind = _kind(reset, state)
    controller.post(target, {"ResetType": kind})
    return f"its controller was told {kind}"


def ipmi_on(command: tuple[str, ...], timeout_s: float = TIMEOUT_S) -> str:
    """Switch the machine on by ipmitool with this beginning of a command; what was done, for people."""
    status = told((*command, "chassis", "power", "status"), timeout_s).strip().lower()
    if status.endswith("is on"):
        return "its controller says it is on"
    if not status.endswith("is off"):
        raise ControllerFailed(f"ipmitool says {status[:60]!r}, neither on nor off")
    told((*command, "chassis", "power", "on"), timeout_s)
    return "its controller was told to power on"


def _only(systems: tuple[str, ...]) -> str:
    if len(systems) != 1:
        raise ControllerRefused(f"the controller has {len(systems)} systems; name the one that is meant by `system`")
    return systems[0]


def _kind(reset: Mapping[str, Any], state: str) -> str:
    offered = reset.get("ResetType@Redfish.AllowableValues")
    for kind in _KINDS:
        # The button would switch off a machine that is on, so it is pushed for one that is surely off.
        if (kind in offered if isinstance(offered, list) else kind == "On") and (kind != _BUTTON or state == "Off"):
            return kind
    raise ControllerRefused(f"the controller can't switch a machine on that is {state}; it offers {offered}")
