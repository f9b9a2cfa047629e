# SPDX-License-Identifier: Apache-2.0
"""How a file names a controller: one of `redfish` and `ipmi`, with where it is, a user and the file of a password."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.common.runtime.controllers.redfish import RedfishSettings

KEYS: Mapping[str, tuple[str, ...]] = {
    "redfish": ("url", "user", "password_file", "ca_file"),
    "ipmi": ("address", "user", "password_file"),
}
_NEEDED = {"redfish": KEYS["redfish"][:3], "ipmi": KEYS["ipmi"]}


def controller_problems(asked: Any, at: str, more: Mapping[str, tuple[str, ...]] | None = None) -> list[str]:
    """What is wrong with it; each names its key, beginning with `at`. `more` are keys that may be given besides."""
    if not isinstance(asked, dict) or len(asked) != 1 or next(iter(asked)) not in KEYS:
        return [f"{at}: give one of redfish and ipmi"]
    kind, given = next(iter(asked.items()))
    if not isinstance(given, dict):
        return [f"{at}.{kind}: give a mapping"]
    at, known = f"{at}.{kind}", KEYS[kind] + (more or {}).get(kind, ())
    problems = [f"{at}.{key}: unknown key" for key in given if key not in known]
    problems += [f"{at}.{key}: not a text" for key, value in given.items() if not isinstance(value, str)]
    if problems:
        return problems
    problems += [f"{at}.{key}: missing" for key in _NEEDED[kind] if not given.get(key)]
    url = given.get("url", "")
    if url and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname or "@" in urlsplit(url).netloc):
        problems.append(f"{at}.url: give https://controller, without user and password")
    files = (key for key in ("password_file", "ca_file") if given.get(key) and not os.access(given[key], os.R_OK))
    return problems + [f"{at}.{key}: {given[key]} can't be read" for key in files]


def redfish_settings(given: Mapping[str, str]) -> RedfishSettings:
    """Those of a checked part; OSError where the password's file can't be read any more."""
    password = Path(given["password_file"]).read_text().strip()
    return RedfishSettings(given["url"], given["user"], password, given.get("ca_file", ""))
