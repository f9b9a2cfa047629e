# SPDX-License-Identifier: Apache-2.0
"""Users and projects, for those who may manage them."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.account import Project, User
from innkeeper.models.shape import load
from innkeeper.resources.collection import A, Collection
from innkeeper.transport import Call, Transport


class _Managed(Collection[A]):
    def create(self, spec: Mapping[str, Any]) -> A:
        """Make one; the answer never carries a secret back."""
        return load(self._kind, self._transport.json(Call("POST", self._path, json=dict(spec))))

    def delete(self, item_id: str, *, etag: str = "") -> None:
        """Remove it; with `etag`, only while it is what you saw. Raises Conflict while things still belong to it."""
        seen = f'"{etag}"' if etag else "*"
        self._transport.send(Call("DELETE", self._at(item_id), headers={"If-Match": seen}))


class Users(_Managed[User]):
    """/v1/users"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/users", User)


class Projects(_Managed[Project]):
    """/v1/projects"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/projects", Project)
