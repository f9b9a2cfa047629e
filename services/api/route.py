# SPDX-License-Identifier: Apache-2.0
"""One line of the table of routes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from services.api.access import Role
from services.api.call import Call

Handler = Callable[..., Any]  # (call, db) -> Answer or body; (call) -> Response or Answer where it streams


@dataclass(frozen=True)
class Route:
    """A URL and a method: who may call it, what goes in, what comes out.

    A change (whatever doesn't only read) runs in one transaction; with the query Changing it takes ?dry_run.
    """

    method: str
    path: str  # as in OpenAPI: /v1/vms/{vm_id}
    handler: Handler
    role: Role
    answer: Schema | None = None
    body: Schema | None = None
    query: Schema | None = None
    status: int = 200
    project: bool = True  # whether X-Project matters
    idempotent: bool = True  # whether a change takes an Idempotency-Key; documented for POSTs, which need one
    streams: bool = False  # the handler makes its own response and its own sessions
    reads_only: bool = False  # a POST that changes nothing
    media: str = "application/json"
    takes: str = ""  # the type of a raw body of any size, which the handler reads from call.stream as it comes
    prepare: Callable[[Call], Any] | None = None  # slow work before the transaction

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET" or self.reads_only

    @property
    def tag(self) -> str:
        """The chapter of the documentation it belongs to."""
        first = self.path.removeprefix("/v1/").partition("/")[0].partition(":")[0]
        return "operation" if self.path.count("/") == 1 else first
