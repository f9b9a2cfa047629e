# SPDX-License-Identifier: Apache-2.0
"""The hosts' controllers, as the file names them that INNKEEPER_CONTROLLERS_FILE points to.

Only workers read it. Where a controller is, and its password, come from here and never from a host's agent: an agent
that was taken over could have our password sent to itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from services.common.runtime.controllers.failing import ControllerRefused
from services.common.runtime.controllers.ipmitool import far
from services.common.runtime.controllers.redfish import Redfish
from services.common.runtime.controllers.settings import controller_problems, redfish_settings
from services.common.runtime.settings import SettingsError
from services.worker.power_on import ipmi_on, redfish_on

_MORE = {"redfish": ("system",)}


class Controllers:
    """Read anew for each call: a new password or host needs no restart. No file: no host has a controller."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def check(self) -> None:
        """Raise SettingsError with everything that is wrong in the file."""
        if self._file is None:
            return
        problems = _problems(self._read())
        if problems:
            raise SettingsError("\n".join(f"{self._file}: {problem}" for problem in problems))

    def power_on(self, host: str, way: str) -> str:
        """Switch the host of this name on; what was done. Raises ControllerFailed."""
        asked = self._of(host)
        kind, given = next(iter(asked.items()))
        if kind != way:
            raise ControllerRefused(f"the controllers' file has {kind} for host {host}, its agent has {way}")
        if kind == "ipmi":
            return ipmi_on(far(given))
        try:
            controller = Redfish(redfish_settings(given))
        except OSError as error:
            raise ControllerRefused(f"the controller's files can't be read: {error.strerror}") from error
        try:
            return redfish_on(controller, given.get("system", ""))
        finally:
            controller.close()

    def _of(self, host: str) -> Mapping[str, Any]:
        try:
            asked = self._read().get(host)
        except SettingsError as error:
            raise ControllerRefused(str(error)) from error
        if asked is None:
            raise ControllerRefused(f"no controller of host {host} is known: add it to INNKEEPER_CONTROLLERS_FILE")
        problems = controller_problems(asked, host, _MORE)
        if problems:
            raise ControllerRefused("; ".join(problems))
        found: Mapping[str, Any] = asked
        return found

    def _read(self) -> Mapping[str, Any]:
        if self._file is None:
            return {}
        try:
            found = yaml.safe_load(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self._file}: can't be read: {error}") from error
        except yaml.YAMLError as error:
            raise SettingsError(f"{self._file}: not YAML: {error}") from error
        if not isinstance(found, dict):
            raise SettingsError(f"{self._file}: give a mapping from hosts' names to their controllers")
        return found


def _problems(found: Mapping[str, Any]) -> list[str]:
    return [problem for host, asked in found.items() for problem in controller_problems(asked, str(host), _MORE)]
