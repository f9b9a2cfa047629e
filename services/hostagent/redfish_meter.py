# SPDX-License-Identifier: Apache-2.0
"""What a machine draws, as its controller tells by Redfish: EnvironmentMetrics, or Power on older controllers."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from services.hostagent.power_meters import MeterFailed, plausible

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_LARGEST = 1 << 20  # bytes of an answer
_LONGEST_S = 20.0  # that one may take


@dataclass(frozen=True)
class RedfishSettings:
    """Where the controller is and who we are there. The password is read from its file at each start, never shown."""

    url: str
    user: str
    password: str = field(repr=False)
    ca_file: str = ""  # "": the system's authorities


class RedfishMeter:
    """Sums over the chassis that tell their power. Only addresses on the controller itself are ever asked."""

    name = "redfish"

    def __init__(self, settings: RedfishSettings, client: httpx.Client | None = None) -> None:
        self._url = settings.url.rstrip("/") + "/"
        self._client = client or opened(settings)

    def watts(self) -> float:
        """Of all chassis; MeterFailed where none tells."""
        found = [watts for chassis in self._chassis() if (watts := self._of(chassis)) is not None]
        if not found:
            raise MeterFailed("no chassis of the controller tells its power")
        return plausible(sum(found), "the controller")

    def _chassis(self) -> Iterator[Mapping[str, Any]]:
        listed = self._get("/redfish/v1/Chassis").get("Members")
        if not isinstance(listed, list):
            raise MeterFailed("the controller's list of chassis is no list")
        for member in listed[:64]:
            yield self._get(_link(member))

    def _of(self, chassis: Mapping[str, Any]) -> float | None:
        if "EnvironmentMetrics" in chassis:
            told = self._get(_link(chassis["EnvironmentMetrics"])).get("PowerWatts")
            if isinstance(told, Mapping) and told.get("Reading") is not None:
                return plausible(told["Reading"], "EnvironmentMetrics")
        if "Power" in chassis:
            controls = self._get(_link(chassis["Power"])).get("PowerControl")
            for control in controls if isinstance(controls, list) else ():
                if isinstance(control, Mapping) and control.get("PowerConsumedWatts") is not None:
                    return plausible(control["PowerConsumedWatts"], "PowerControl")
        return None

    def _get(self, path: str) -> Mapping[str, Any]:
        url = urljoin(self._url, path)
        if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise MeterFailed("the controller points to another machine")  # which must not get our password
        try:
            with self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise MeterFailed(f"the controller answers {answer.status_code} to {path}")
                text = _read(answer)
        except httpx.HTTPError as error:
            raise MeterFailed(f"the controller can't be asked: {type(error).__name__}: {error}") from error
        try:
            body = json.loads(text)
        except ValueError as error:
            raise MeterFailed(f"the controller's answer to {path} is no JSON") from error
        if not isinstance(body, Mapping):
            raise MeterFailed(f"the controller's answer to {path} is no object")
        return body


def opened(settings: RedfishSettings) -> httpx.Client:
    """A client that checks the controller's certificate; OSError for a file of authorities that can't be read."""
    return httpx.Client(
        auth=(settings.user, settings.password),
        verify=ssl.create_default_context(cafile=settings.ca_file or None),
        timeout=_TIMEOUT,
        trust_env=False,
        follow_redirects=False,
    )


def _read(answer: httpx.Response) -> bytes:
    """The whole answer, unless it is endless, or comes drop by drop."""
    text, began = b"", time.monotonic()
    for part in answer.iter_bytes():
        text += part
        if len(text) > _LARGEST or time.monotonic() - began > _LONGEST_S:
            raise MeterFailed("the controller's answer does not end")
    return text


def _link(value: object) -> str:
    link = value.get("@odata.id") if isinstance(value, Mapping) else None
    if not isinstance(link, str) or not link:
        raise MeterFailed("the controller's answer lacks a link")
    return link
