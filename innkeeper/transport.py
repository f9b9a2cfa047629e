# SPDX-License-Identifier: Apache-2.0
"""One request to the API: token, project, idempotency key, safe retries, and errors as ours."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx

from innkeeper import __version__
from innkeeper.credentials import Credentials
from innkeeper.errors import NotSignedIn, NotTheContract, Refused, Unreachable, refusal
from innkeeper.models.account import Tokens
from innkeeper.models.shape import load
from innkeeper.retry import RetryPolicy, asks_again, lost_answer_is_harmless

# Not sent at all, so that any request may follow.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Call:
    """One request. A POST without an Idempotency-Key is given one, and keeps it through every retry."""

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    signed: bool = True  # False: without token, and a 401 is final
    timeout_s: float | None = None  # how long an answer may take; None: as the client has it


class Transport:
    """Sends calls to one server; thread-safe. Raises what innkeeper.errors names, nothing of httpx."""

    def __init__(
        self,
        http: httpx.Client,
        credentials: Credentials,
        project: str = "",
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.credentials = credentials
        self.project = project
        self._http = http
        self._retry = retry or RetryPolicy()
        self._sleep = sleep

    def patient(self) -> RetryPolicy:
        """For work that takes long: twice the tries of one request, with five times the pauses."""
        return replace(self._retry, attempts=2 * self._retry.attempts, first_s=5 * self._retry.first_s)

    def pause(self, seconds: float) -> None:
        """Wait before another try."""
        self._sleep(seconds)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call) -> httpx.Response:
        """A successful answer, after a token renewal and retries where needed."""
        call = _with_key(call)
        token = self.credentials.access
        try:
            return self._retried(call)
        except NotSignedIn:
            if not call.signed or not self.credentials.renew(token, self._exchange):
                raise
            return self._retried(call)

    def json(self, call: Call) -> Any:
        """The body of a successful answer; None where it has none."""
        response = self.send(call)
        return _body(response) if response.content else None

    @contextmanager
    def stream(self, call: Call, read_timeout: float) -> Iterator[httpx.Response]:
        """A successful answer whose body is read as it comes; no retries here, a token renewal yes."""
        token = self.credentials.access
        request = self._http.build_request(
            call.method, call.path, params=dict(call.params), headers=self._headers(call), timeout=_slow(read_timeout)
        )
        try:
            response = self._http.send(request, stream=True)
            if response.status_code == 401 and self.credentials.renew(token, self._exchange):
                response.close()
                request.headers.update(self._headers(call))
                response = self._http.send(request, stream=True)
            try:
                if response.is_error:
                    response.read()
                    raise _refused(response)
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _retried(self, call: Call) -> httpx.Response:
        for attempt in range(1, self._retry.attempts + 1):
            last = attempt == self._retry.attempts
            asked = ""
            try:
                response = self._once(call)
                if not response.is_error:
                    return response
                problem = _refused(response)
                if last or not asks_again(problem.status, problem.code):
                    raise problem
                asked = response.headers.get("Retry-After", "")
            except httpx.HTTPError as error:
                may_repeat = isinstance(error, _NEVER_SENT) or lost_answer_is_harmless(call.method, call.headers)
                if last or not may_repeat:
                    raise self._unreachable(error) from error
            self._sleep(self._retry.pause(attempt, asked, random.random()))
        raise ValueError("a RetryPolicy allows at least one attempt")

    def _once(self, call: Call) -> httpx.Response:
        more: dict[str, Any] = {} if call.timeout_s is None else {"timeout": _slow(call.timeout_s)}
        return self._http.request(
            call.method,
            call.path,
            json=call.json,
            content=call.content,
            params=dict(call.params),
            headers=self._headers(call),
            **more,
        )

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"User-Agent": f"innkeeper-client/{__version__}", "Accept": "application/json"}
        if call.signed and self.credentials.access:
            headers["Authorization"] = f"Bearer {self.credentials.access}"
        if self.project:
            headers["X-Project"] = self.project
        return headers | dict(call.headers)

    def _exchange(self, refresh_token: str) -> Tokens:
        call = Call("POST", "/v1/auth/refresh", json={"refresh_token": refresh_token}, signed=False)
        return load(Tokens, _body(self._retried(_with_key(call))))

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(f"{self._http.base_url} can't be reached: {reason}")


def _slow(read_timeout: float) -> httpx.Timeout:
    return httpx.Timeout(10.0, read=max(read_timeout, 0.1))


def _with_key(call: Call) -> Call:
    if call.method != "POST" or "Idempotency-Key" in call.headers:
        return call
    return replace(call, headers={**call.headers, "Idempotency-Key": str(uuid4())})


def _refused(response: httpx.Response) -> Refused:
    """An error answer as an exception; a body that is no problem document is shown by its status alone."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        body = {"title": f"HTTP {response.status_code} {response.reason_phrase}", "detail": "not an answer of this API"}
    return refusal(response.status_code, body)


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        kind = response.headers.get("Content-Type", "no content type")
        raise NotTheContract(f"{response.request.url.path} answered {kind}, not JSON: is this the API?") from error
