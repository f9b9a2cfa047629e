# SPDX-License-Identifier: Apache-2.0
"""What every noun can do: list through all pages, get one, find one by name or id."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID

from innkeeper.errors import NotFound, NotTheContract
from innkeeper.models.shape import Answer, load
from innkeeper.transport import Call, Transport

A = TypeVar("A", bound=Answer)


class Collection(Generic[A]):
    """Things of one kind under one path."""

    def __init__(self, transport: Transport, path: str, kind: type[A]):
        self._transport = transport
        self._path = path
        self._kind = kind

    def list(self, **filters: Any) -> Iterator[A]:
        """Every item, page after page, as it is consumed."""
        return (load(self._kind, item) for item in pages(self._transport, self._path, filters))

    def get(self, item_id: str) -> A:
        """The item; raises NotFound."""
        return load(self._kind, self._transport.json(Call("GET", self._at(item_id))))

    def find(self, name_or_id: str) -> A:
        """The item of that id, else of that name; raises NotFound."""
        if is_id(name_or_id):
            return self.get(name_or_id)
        for item in self.list():
            if name_or_id in (getattr(item, "name", ""), getattr(item, "id", "")):
                return item
        raise missing(self._kind, name_or_id)

    def _at(self, item_id: str, *more: str) -> str:
        return "/".join((self._path, quote(item_id, safe=""), *more))


def pages(transport: Transport, path: str, filters: Mapping[str, Any]) -> Iterator[Any]:
    """Items of a list, following its cursors."""
    params = dict(filters)
    while True:
        page = transport.json(Call("GET", path, params=params))
        if isinstance(page, list):
            yield from page
            return
        if not isinstance(page, Mapping) or not isinstance(page.get("items"), list):
            raise NotTheContract(f"{path} answered no list")
        yield from page["items"]
        if not page.get("next"):
            return
        params["cursor"] = page["next"]


def missing(kind: type[Answer], name: str) -> NotFound:
    """What the API would say, had it been asked by name."""
    detail = f"no {kind.__name__.lower()} is called {name!r} here"
    return NotFound(404, {"title": "There is no such thing", "detail": detail})


def is_id(text: str) -> bool:
    """Whether this can be an id; names are looked up."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
