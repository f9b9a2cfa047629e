# SPDX-License-Identifier: Apache-2.0
"""What a machine draws, as its controller tells by Redfish: EnvironmentMetrics, or Power on older controllers."""

from collections.abc import Mapping
from typing import Any

import httpx

from services.common.runtime.controllers.failing import ControllerFailed
from services.common.runtime.controllers.redfish import Redfish, RedfishSettings, link
from services.hostagent.power_meters import plausible


class RedfishMeter:
    """Sums over the chassis that tell their power."""

    name = "redfish"

    def __init__(self, settings: RedfishSettings, client: httpx.Client | None = None) -> None:
        self._controller = Redfish(settings, client)

    def watts(self) -> float:
        """Of all chassis; ControllerFailed where none tells."""
        chassis = (self._controller.get(path) for path in self._controller.members("/redfish/v1/Chassis"))
        found = [watts for one in chassis if (watts := self._of(one)) is not None]
        if not found:
            raise ControllerFailed("no chassis of the controller tells its power")
        return plausible(sum(found), "the controller")

    def _of(self, chassis: Mapping[str, Any]) -> float | None:
        if "EnvironmentMetrics" in chassis:
            told = self._controller.get(link(chassis["EnvironmentMetrics"])).get("PowerWatts")
            if isinstance(told, Mapping) and told.get("Reading") is not None:
                return plausible(told["Reading"], "EnvironmentMetrics")
        if "Power" in chassis:
            controls = self._controller.get(link(chassis["Power"])).get("PowerControl")
            for control in controls if isinstance(controls, list) else ():
                if isinstance(control, Mapping) and control.get("PowerConsumedWatts") is not None:
                    return plausible(control["PowerConsumedWatts"], "PowerControl")
        return None
