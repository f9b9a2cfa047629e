# SPDX-License-Identifier: Apache-2.0
"""Users and projects, for those who may manage them, and your own API tokens."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from innkeeper.models.account import ApiToken, Member, Project, User
from innkeeper.models.shape import load
from innkeeper.resources.collection import A, Collection, is_id, missing, pages
from innkeeper.transport import Call, Transport


class _Managed(Collection[A]):
    def create(self, spec: Mapping[str, Any]) -> A:
        """Make one; the answer never carries a secret back, but for an API token's own."""
        return load(self._kind, self._transport.json(Call("POST", self._path, json=dict(spec))))

    def change(self, item_id: str, changes: Mapping[str, Any], *, etag: str = "") -> A:
        """Change what is named; with `etag`, only while it is what you saw."""
        call = Call("PATCH", self._at(item_id), json=dict(changes), headers=_seen(etag))
        return load(self._kind, self._transport.json(call))

    def delete(self, item_id: str, *, etag: str = "") -> None:
        """Remove it; with `etag`, only while it is what you saw. Raises Conflict while things still belong to it."""
        self._transport.send(Call("DELETE", self._at(item_id), headers=_seen(etag)))


class Users(_Managed[User]):
    """/v1/users"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/users", User)

    def find(self, name_or_id: str) -> User:
        """The user of that id, else of that name; raises NotFound."""
        if is_id(name_or_id):
            return self.get(name_or_id)
        found = next(iter(self.list(username=name_or_id)), None)
        if found is None:
            raise missing(User, name_or_id)
        return found


class Projects(_Managed[Project]):
    """/v1/projects"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/projects", Project)

    def members(self, project_id: str) -> Iterator[Member]:
        """Who is in it, and as what."""
        return (load(Member, item) for item in pages(self._transport, self._at(project_id, "members"), {}))

    def put_member(self, project_id: str, user_id: str, role: str) -> Member:
        """Give a user a role in it, instead of the one they have: viewer, member or operator."""
        call = Call("PUT", self._member(project_id, user_id), json={"role": role})
        return load(Member, self._transport.json(call))

    def drop_member(self, project_id: str, user_id: str) -> None:
        """Take a user out of it; raises NotFound where they aren't in it."""
        self._transport.send(Call("DELETE", self._member(project_id, user_id)))

    def _member(self, project_id: str, user_id: str) -> str:
        return self._at(project_id, "members", quote(user_id, safe=""))


class ApiTokens(_Managed[ApiToken]):
    """/v1/tokens: your own"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/tokens", ApiToken)


def _seen(etag: str) -> dict[str, str]:
    return {"If-Match": f'"{etag}"' if etag else "*"}
