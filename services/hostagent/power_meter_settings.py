# SPDX-License-Identifier: Apache-2.0
"""The part `power_meter` of an agent's configuration: which controller to ask, and with which password file."""

from collections.abc import Mapping
from typing import Any

from services.common.runtime.controllers.ipmitool import far
from services.common.runtime.controllers.settings import controller_problems, redfish_settings
from services.hostagent.power_meters import IpmiMeter, Meter
from services.hostagent.redfish_meter import RedfishMeter

_THIS_MACHINE_S: Mapping[str, Any] = {"ipmi": {}}


def power_meter_problems(asked: Any) -> list[str]:
    """What is wrong with it; each names its key."""
    return [] if asked is None or asked == _THIS_MACHINE_S else controller_problems(asked, "power_meter")


def power_meter(asked: Mapping[str, Any] | None) -> Meter | None:
    """The meter of a checked part; None without one. OSError where a file can't be read any more."""
    if not asked:
        return None
    kind, given = next(iter(asked.items()))
    if kind == "redfish":
        return RedfishMeter(redfish_settings(given))
    return IpmiMeter(far(given)) if given else IpmiMeter()
