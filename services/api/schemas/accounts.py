# SPDX-License-Identifier: Apache-2.0
"""Signing in, users, projects, members and API tokens: as asked for and as shown."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.api import grammar
from services.api.access import PROJECT_ROLES, SCOPES
from services.api.schemas.pieces import Flag, listing, moment, page_of, text, whole

DAY_S = 24 * 3600
_MOST = 2**31 - 1
_NEEDED = "Missing data for required field."


def secret(help: str, most: int = 256, **more: Any) -> fields.String:
    """A text that goes in and never comes out."""
    length = validate.Length(min=1, max=most, error=f"empty or longer than {most} characters -> send it whole")
    return fields.String(load_only=True, validate=length, metadata={"description": help}, **more)


def new_password(**more: Any) -> fields.String:
    """A password to be set."""
    help = "8 to 256 printable characters; goes in and never comes out"
    return fields.String(load_only=True, validate=grammar.password, metadata={"description": help}, **more)


class Credentials(Schema):
    """A user name and a password, or an API token."""

    username = text(help="With password")
    password = secret("With username")
    api_token = secret("Instead of both")

    @validates_schema
    def one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        """Exactly one way to sign in."""
        if "api_token" in data:
            extra = [name for name in ("username", "password") if name in data]
            if extra:
                raise ValidationError({extra[0]: ["not beside api_token -> send one or the other"]})
            return
        missing = {name: [_NEEDED] for name in ("username", "password") if name not in data}
        if missing:
            raise ValidationError(missing)


class Refreshing(Schema):
    """A refresh token; it is good for one use."""

    refresh_token = secret("As the last answer gave it", 4096, required=True)


class Revoking(Schema):
    """The session to end: by its refresh token, else the one of the request's access token."""

    refresh_token = secret("Left out: the session of the Authorization header", 4096)


class TokenPair(Schema):
    """What signing in gives."""

    access_token = fields.String()
    refresh_token = fields.String(metadata={"description": "Good for one use; using it twice ends the session"})
    token_type = fields.String(metadata={"description": "Bearer"})
    expires_in = fields.Integer(metadata={"description": "Seconds the access token lives"})


class PlaceShape(Schema):
    """A project and a role in it."""

    id = fields.String()
    name = fields.String()
    role = fields.String()


class MeShape(Schema):
    """Who is signed in."""

    id = fields.String()
    username = fields.String()
    admin = fields.Boolean()
    projects = fields.List(fields.Nested(PlaceShape()))


class AccountAsked(Schema):
    """A user to be made."""

    username = text(grammar.account_name, required=True)
    password = new_password(required=True)
    admin = Flag(load_default=False)


class AccountChanges(Schema):
    """What of a user can be changed; users themselves may change their password only."""

    username = text(grammar.account_name)
    password = new_password()
    current_password = secret("Yours, where you change your own password")
    admin = Flag()
    disabled = Flag(metadata={"description": "Refuse to sign them in, and end their sessions"})


class AccountShape(Schema):
    """A user; never with a password."""

    id = fields.String()
    username = fields.String()
    admin = fields.Boolean()
    disabled = fields.Boolean()
    role = fields.String(metadata={"description": 'admin, else the highest role in a project, "" for none'})
    projects = fields.List(fields.Nested(PlaceShape()))
    created_at = moment("Made at")
    updated_at = moment("Changed at")
    etag = fields.String()


class QuotasAsked(Schema):
    """How much a project may hold; null lifts a figure, one left out stays as it is."""

    vms = whole(0, _MOST, allow_none=True)
    vcpus = whole(0, _MOST, allow_none=True)
    memory_mib = whole(0, _MOST, allow_none=True)
    disk_gib = whole(0, _MOST, allow_none=True)
    media_gib = whole(0, _MOST, "Of the media's files", allow_none=True)
    images = whole(0, _MOST, "Built without a vm and kept at a time [100]; the oldest make room", allow_none=True)


class ProjectAsked(Schema):
    """A project to be made."""

    name = text(grammar.object_name, required=True)
    description = text(most=4096, load_default="")
    quotas = fields.Nested(QuotasAsked(), load_default=dict)


class ProjectChanges(Schema):
    """What of a project can be changed."""

    name = text(grammar.object_name)
    description = text(most=4096)
    quotas = fields.Nested(QuotasAsked())


class ProjectShape(Schema):
    """A project."""

    id = fields.String()
    name = fields.String()
    description = fields.String()
    quotas = fields.Dict(keys=fields.String(), values=fields.Integer())
    role = fields.String(metadata={"description": "Yours"})
    created_at = moment("Made at")
    updated_at = moment("Changed at")
    etag = fields.String()


class MemberAsked(Schema):
    """The role of a user in a project."""

    role = fields.String(
        required=True,
        validate=validate.OneOf(tuple(PROJECT_ROLES), error="{input!r} is no role -> viewer, member or operator"),
    )


class MemberShape(Schema):
    """A user's role in a project."""

    user = fields.String(metadata={"description": "The user's id"})
    username = fields.String()
    role = fields.String()


class ApiTokenAsked(Schema):
    """An API token to be made for yourself."""

    name = text(grammar.object_name, required=True)
    scopes = fields.List(
        fields.String(validate=validate.OneOf(tuple(SCOPES), error=f"{{input!r}} is no scope -> {', '.join(SCOPES)}")),
        required=True,
        validate=validate.Length(1, len(SCOPES), error="no scope, or too many -> name the highest one you need"),
        metadata={"description": "read, write, operate, admin; the highest one counts, within your own role"},
    )
    project = text(help="Only in this project, by name or id")
    expires_in = whole(60, 366 * DAY_S, "Seconds it lives", load_default=90 * DAY_S)


class ApiTokenChanges(Schema):
    """What of an API token can be changed."""

    name = text(grammar.object_name, required=True)


class ApiTokenShape(Schema):
    """An API token; its secret is in the answer that made it, and nowhere else."""

    id = fields.String()
    name = fields.String()
    scopes = fields.List(fields.String())
    project = fields.String(allow_none=True, metadata={"description": "The only project it works in, or null"})
    expires_at = moment("Worthless from")
    last_used_at = moment("Last exchanged for an access token at")
    created_at = moment("Made at")
    etag = fields.String()
    token = fields.String(metadata={"description": "The secret, shown this once"})


USER_LIST = listing(
    "Users",
    ("username", "created_at"),
    "username",
    username=fields.String(metadata={"description": "Exactly this name"}),
    admin=fields.Boolean(),
    disabled=fields.Boolean(),
)
PROJECT_LIST = listing(
    "Projects",
    ("name", "created_at"),
    "name",
    name=fields.String(metadata={"description": "Exactly this name"}),
)
MEMBER_LIST = listing("Members", ("user",), "user")
API_TOKEN_LIST = listing("ApiTokens", ("name", "created_at"), "name")
USER_PAGE = page_of(AccountShape)
PROJECT_PAGE = page_of(ProjectShape)
MEMBER_PAGE = page_of(MemberShape)
API_TOKEN_PAGE = page_of(ApiTokenShape)
