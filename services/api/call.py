# SPDX-License-Identifier: Apache-2.0
"""What a handler gets (Call) and gives (Answer). Handlers know nothing of Flask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.api.access import Place, Role, Who
from services.api.parts import Parts
from services.common.contracts.errors import Unauthenticated

JsonDict = dict[str, Any]


@dataclass
class Answer:
    """A status, a JSON body, headers; `after` runs once the transaction is over (to wait, to ask the scheduler)."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after: "Callable[[Answer], Answer] | None" = None


@dataclass
class Call:
    """One request, checked: body and query are what the schemas made of them."""

    parts: Parts
    path: Mapping[str, str]
    now: float
    trace_id: str
    body: JsonDict = field(default_factory=dict)
    query: JsonDict = field(default_factory=dict)
    headers: Any = field(default_factory=dict)  # .get(name, default), whatever the case of the name
    stream: Any = None  # a raw body, to be read as it comes; only where the route takes one
    address: str = ""  # the caller's, as the server sees it
    caller: Who | None = None
    place: Place | None = None
    key: str = ""  # Idempotency-Key
    key_hash: str = ""  # of method, path and body
    prepared: Any = None  # what the route's `prepare` worked out before the transaction
    careful: bool = False  # second try after a unique constraint: look who holds the name or address

    @property
    def who(self) -> Who:
        """The signed-in caller."""
        if self.caller is None:
            raise Unauthenticated("this needs a signed-in user")
        return self.caller

    @property
    def project(self) -> Place:
        """The project of the request; routes that are project-scoped always have one."""
        if self.place is None:
            raise ValueError("the route is not project-scoped")
        return self.place

    @property
    def dry_run(self) -> bool:
        """Whether nothing may remain of this request."""
        return bool(self.query.get("dry_run"))

    @property
    def admin(self) -> bool:
        """Whether the caller may see hosts by name."""
        return self.caller is not None and self.caller.rank >= Role.ADMIN
