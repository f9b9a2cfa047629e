# SPDX-License-Identifier: Apache-2.0
"""Users: admins manage them, everybody sees oneself and changes the own password."""

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from services.api import etags, sessions
from services.api.access import Role
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.accounts import tagged_user, user_views
from services.common.contracts.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.store.models import User

ORDER = Order(User.id, {"username": User.username, "created_at": User.id})


def listing(call: Call, db: Session) -> dict[str, Any]:
    """All users, page by page."""
    statement = select(User)
    for name, column in (("username", User.username), ("admin", User.is_admin), ("disabled", User.disabled)):
        if call.query.get(name) is not None:
            statement = statement.where(column == call.query[name])
    return listed(db, call, statement, ORDER, lambda rows: user_views(db, rows))


def get(call: Call, db: Session) -> dict[str, Any]:
    """One user; those who are no admin see themselves only."""
    _seen(call)
    return chosen(tagged_user(db, _found(call, db)), call.query.get("fields"))


def hashed(call: Call) -> str:
    """The hash of a new user's password; made before the transaction, since argon2 takes its time."""
    return call.parts.passwords.hash(call.body["password"])


def create(call: Call, db: Session) -> Answer:
    """Make a user. PUT /v1/projects/{project_id}/members/{user_id} gives it a role."""
    _free(db, call.body["username"])
    stamps = {"created_at": call.now, "updated_at": call.now}
    user = User(
        id=new_id(),
        username=call.body["username"],
        password_hash=call.prepared,
        is_admin=call.body["admin"],
        disabled=False,
        token_epoch=0,
        **stamps,
    )
    db.add(user)
    db.flush()
    return Answer(tagged_user(db, user), 201, {"Location": f"/v1/users/{user.id}"})


def allowed_change(call: Call) -> str | None:
    """Who may change what; the new password's hash where there is one. The own password asks for the present one."""
    _seen(call)
    own = call.path["user_id"] == call.who.id
    beyond = sorted(set(call.body) - {"password", "current_password"})
    if beyond and call.who.rank < Role.ADMIN:
        raise Forbidden(f"only admins may change {beyond[0]}; you may change your password")
    if "password" not in call.body:
        return None
    if own:
        _prove_present_password(call)
    return call.parts.passwords.hash(call.body["password"])


def _prove_present_password(call: Call) -> None:
    sessions.demand_password(call.who)
    pointer = "/current_password"
    if "current_password" not in call.body:
        detail = "your own password is changed with the present one beside it"
        raise Invalid(detail, [Problem(pointer, detail, "add it")])
    call.parts.limits.sign_in(call.who.username, call.address)
    with call.parts.database.read() as db:
        kept = db.scalar(select(User.password_hash).where(User.id == call.who.id))
    if not call.parts.passwords.right(kept, call.body["current_password"]):
        detail = "this is not your present password"
        raise Invalid(detail, [Problem(pointer, detail, "send the password you sign in with")])


def change(call: Call, db: Session) -> dict[str, Any]:
    """Change a user. A new password and `disabled` end all sessions of the user, the own one included."""
    user = _found(call, db, lock=True)
    body = call.body
    shared = bool(set(body) - {"password", "current_password"}) or user.id != call.who.id
    etags.check(call.headers.get("If-Match", ""), tagged_user(db, user)["etag"], required=shared)
    if "username" in body and body["username"] != user.username:
        _free(db, body["username"], user.id)
        user.username = body["username"]
    admin, disabled = body.get("admin", user.is_admin), body.get("disabled", user.disabled)
    if not admin or disabled:
        _not_the_last_admin(db, user)
    if "password" in body:
        user.password_hash = call.prepared
    if "password" in body or (disabled and not user.disabled):
        user.token_epoch += 1
    user.is_admin, user.disabled, user.updated_at = admin, disabled, call.now
    db.flush()
    return tagged_user(db, user)


def remove(call: Call, db: Session) -> Answer:
    """Delete a user, with its API tokens and roles; what it has made stays."""
    user = _found(call, db, lock=True)
    etags.check(call.headers.get("If-Match", ""), tagged_user(db, user)["etag"], required=True)
    _not_the_last_admin(db, user)
    db.execute(delete(User).where(User.id == user.id))
    return Answer(status=204)


def _seen(call: Call) -> None:
    if call.who.rank < Role.ADMIN and call.path["user_id"] != call.who.id:
        raise _unknown(call)


def _found(call: Call, db: Session, lock: bool = False) -> User:
    query = select(User).where(User.id == call.path["user_id"])
    user = db.scalars(query.with_for_update() if lock else query).first()
    if user is None:
        raise _unknown(call)
    return user


def _unknown(call: Call) -> NotFound:
    return NotFound(f"there is no user {call.path['user_id']}")


def _free(db: Session, username: str, but: str = "") -> None:
    """Names that differ in case only would be taken for one another."""
    taken = select(User.username).where(func.lower(User.username) == username.lower(), User.id != but)
    found = db.scalar(taken)
    if found is not None:
        detail = f"there is a user {found!r} already"
        raise Conflict(detail, [Problem("/username", detail, "choose another name")])


def _not_the_last_admin(db: Session, user: User) -> None:
    # Locked, so that two admins can't remove each other at the same moment.
    admins = select(User.id).where(User.is_admin, User.disabled.is_(False)).with_for_update()
    if set(db.scalars(admins)) == {user.id}:
        raise Conflict(f"{user.username!r} is the last admin; make another one first")
