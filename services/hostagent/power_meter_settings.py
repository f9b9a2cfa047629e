# SPDX-License-Identifier: Apache-2.0
"""The part `power_meter` of an agent's configuration: which controller to ask, and with which password file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.hostagent.power_meters import IpmiMeter, Meter
from services.hostagent.redfish_meter import RedfishMeter, RedfishSettings

_KEYS: Mapping[str, tuple[str, ...]] = {
    "redfish": ("url", "user", "password_file", "ca_file"),
    "ipmi": ("address", "user", "password_file"),
}


def power_meter_problems(asked: Any) -> list[str]:
    """What is wrong with it; each names its key."""
    if asked is None:
        return []
    if not isinstance(asked, dict) or len(asked) != 1 or next(iter(asked)) not in _KEYS:
        return ["power_meter: give one of redfish and ipmi"]
    kind, given = next(iter(asked.items()))
    if not isinstance(given, dict):
        return [f"power_meter.{kind}: give a mapping"]
    at = f"power_meter.{kind}"
    problems = [f"{at}.{key}: unknown key" for key in given if key not in _KEYS[kind]]
    problems += [f"{at}.{key}: not a text" for key, value in given.items() if not isinstance(value, str)]
    if problems:
        return problems
    needed = _KEYS["redfish"][:3] if kind == "redfish" else _KEYS["ipmi"] if given else ()
    problems += [f"{at}.{key}: missing" for key in needed if not given.get(key)]
    url = given.get("url", "")
    if url and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname or "@" in urlsplit(url).netloc):
        problems.append(f"{at}.url: give https://controller, without user and password")
    files = (key for key in ("password_file", "ca_file") if given.get(key) and not os.access(given[key], os.R_OK))
    return problems + [f"{at}.{key}: {given[key]} can't be read" for key in files]


def power_meter(asked: Mapping[str, Any] | None) -> Meter | None:
    """The meter of a checked part; None without one. OSError where a file can't be read any more."""
    if not asked:
        return None
    kind, given = next(iter(asked.items()))
    if kind == "redfish":
        password = Path(given["password_file"]).read_text().strip()
        return RedfishMeter(RedfishSettings(given["url"], given["user"], password, given.get("ca_file", "")))
    if not given:
        return IpmiMeter()
    # The password goes by its file: whoever lists processes must not see it.
    far = ("-I", "lanplus", "-H", given["address"], "-U", given["user"], "-f", given["password_file"])
    return IpmiMeter(("ipmitool", *far))
