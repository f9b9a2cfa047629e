# SPDX-License-Identifier: Apache-2.0
"""Who may do what: roles as ranks, and the caller of a request with the project it acts in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from services.common.contracts.errors import Forbidden


class Role(IntEnum):
    """What a route asks for. A higher rank may do everything a lower one may."""

    PUBLIC = 0  # no token at all
    USER = 1  # anybody who has signed in
    VIEWER = 2  # reads in a project
    MEMBER = 3  # makes and changes vms
    OPERATOR = 4  # also media and networks of the project
    ADMIN = 5  # everything, everywhere


PROJECT_ROLES: Mapping[str, Role] = {"viewer": Role.VIEWER, "member": Role.MEMBER, "operator": Role.OPERATOR}
# What a token's scope allows at most, whatever its user may.
SCOPES: Mapping[str, Role] = {
    "read": Role.VIEWER,
    "write": Role.MEMBER,
    "operate": Role.OPERATOR,
    "admin": Role.ADMIN,
}


@dataclass(frozen=True)
class Place:
    """A project and the caller's role in it."""

    id: str
    name: str
    role: Role
    quotas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Who:
    """The caller: a user, what the token allows at most, and the projects it has a role in."""

    id: str
    username: str
    admin: bool
    cap: Role
    places: tuple[Place, ...]
    jti: str = ""
    family: str = ""
    expires_at: float = 0.0
    only_project: str = ""  # a token bound to one project

    @property
    def rank(self) -> Role:
        """The rank where no project is involved."""
        return min(Role.ADMIN if self.admin else Role.USER, self.cap)

    def rank_in(self, place: Place) -> Role:
        """The rank in a project."""
        return min(Role.ADMIN if self.admin else place.role, self.cap)


def demand(rank: Role, wanted: Role) -> None:
    """Raise Forbidden where `rank` does not reach `wanted`."""
    if rank < wanted:
        raise Forbidden(f"this needs the role {wanted.name.lower()}; yours here is {rank.name.lower()}")
