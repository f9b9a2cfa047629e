# SPDX-License-Identifier: Apache-2.0
"""A controller that speaks Redfish: documents are read, actions are posted, all on the controller itself."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_LARGEST = 1 << 20  # bytes of an answer
_LONGEST_S = 20.0  # that one may take
_MOST_MEMBERS = 64


@dataclass(frozen=True)
class RedfishSettings:
    """Where the controller is and who we are there. The password is read from its file at each start, never shown."""

    url: str
    user: str
    password: str = field(repr=False)
    ca_file: str = ""  # "": the system's authorities


class Redfish:
    """Only addresses on the controller itself are ever asked, so that nobody else gets our password."""

    def __init__(self, settings: RedfishSettings, client: httpx.Client | None = None) -> None:
        self._url = settings.url.rstrip("/") + "/"
        self._client = client or opened(settings)

    def get(self, path: str) -> Mapping[str, Any]:
        """The document there; raises ControllerFailed for whatever isn't one."""
        text = self._asked("GET", path)
        try:
            body = json.loads(text)
        except ValueError as error:
            raise ControllerFailed(f"the controller's answer to {path} is no JSON") from error
        if not isinstance(body, Mapping):
            raise ControllerFailed(f"the controller's answer to {path} is no object")
        return body

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Have the controller do it; raises ControllerFailed where it doesn't say that it does."""
        self._asked("POST", path, body)

    def members(self, path: str) -> Iterator[str]:
        """The addresses of a collection's members."""
        listed = self.get(path).get("Members")
        if not isinstance(listed, list):
            raise ControllerFailed(f"the controller's list {path} is no list")
        yield from (link(member) for member in listed[:_MOST_MEMBERS])

    def close(self) -> None:
        """Ask no more."""
        self._client.close()

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        url = urljoin(self._url, path)
        if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise ControllerRefused("the controller points to another machine")
        try:
            with self._client.stream(method, url, json=body) as answer:
                if answer.status_code in (401, 403):
                    raise ControllerRefused(f"the controller answers {answer.status_code} to {path}: user or password")
                if answer.status_code not in (200, *((201, 202, 204) if method == "POST" else ())):
                    raise ControllerFailed(f"the controller answers {answer.status_code} to {path}")
                return _read(answer)
        except httpx.HTTPError as error:
            told = f"the controller can't be asked: {type(error).__name__}: {error}"
            for_good = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise (ControllerRefused if for_good else ControllerFailed)(told) from error


def opened(settings: RedfishSettings) -> httpx.Client:
    """A client that checks the controller's certificate; OSError for a file of authorities that can't be read."""
    return httpx.Client(
        auth=(settings.user, settings.password),
        verify=ssl.create_default_context(cafile=settings.ca_file or None),
        timeout=_TIMEOUT,
        trust_env=False,
        follow_redirects=False,
    )


def link(value: object) -> str:
    """Where a reference leads."""
    found = value.get("@odata.id") if isinstance(value, Mapping) else None
    if not isinstance(found, str) or not found:
        raise ControllerFailed("the controller's answer lacks a link")
    return found


def _read(answer: httpx.Response) -> bytes:
    """The whole answer, unless it is endless, or comes drop by drop."""
    text, began = b"", time.monotonic()
    for part in answer.iter_bytes():
        text += part
        if len(text) > _LARGEST or time.monotonic() - began > _LONGEST_S:
            raise ControllerFailed("the controller's answer does not end")
    return text
