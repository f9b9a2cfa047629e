# SPDX-License-Identifier: Apache-2.0
"""Signing in, users, projects, members, API tokens: nothing here belongs to the project of X-Project."""

from functools import partial

from services.api.access import Role
from services.api.handlers import auth, members, projects, tokens, users
from services.api.route import Route
from services.api.schemas import accounts as a
from services.api.schemas.pieces import Changing, Reading

PUBLIC, USER, ADMIN = Role.PUBLIC, Role.USER, Role.ADMIN
READ, CHANGE = Reading(), Changing()
ONE_USER, ONE_PROJECT, ONE_TOKEN = "/v1/users/{user_id}", "/v1/projects/{project_id}", "/v1/tokens/{token_id}"
MEMBERS = "/v1/projects/{project_id}/members"
ONE_MEMBER = "/v1/projects/{project_id}/members/{user_id}"
_Route = partial(Route, project=False)
# Where the caller is unknown, keys of different callers could meet: no Idempotency-Key. Refresh takes one all the
# same, since an answer that got lost on its way would look like a stolen token when it is asked for again.
_Unkeyed = partial(_Route, idempotent=False)

AUTH_ROUTES = (
    _Unkeyed("POST", "/v1/auth/token", auth.sign_in, PUBLIC, a.TokenPair(), a.Credentials(), prepare=auth.prove),
    _Route("POST", "/v1/auth/refresh", auth.refresh, PUBLIC, a.TokenPair(), a.Refreshing()),
    _Unkeyed("POST", "/v1/auth/revoke", auth.revoke, PUBLIC, None, a.Revoking(), status=204),
    _Route("GET", "/v1/me", auth.me, USER, a.MeShape()),
)

USER_ROUTES = (
    _Route("GET", "/v1/users", users.listing, ADMIN, a.USER_PAGE, query=a.USER_LIST),
    _Route(
        "POST", "/v1/users", users.create, ADMIN, a.AccountShape(), a.AccountAsked(), CHANGE, 201, prepare=users.hashed
    ),
    _Route("GET", ONE_USER, users.get, USER, a.AccountShape(), query=READ),
    _Route(
        "PATCH",
        ONE_USER,
        users.change,
        USER,
        a.AccountShape(),
        a.AccountChanges(),
        CHANGE,
        prepare=users.allowed_change,
    ),
    _Route("DELETE", ONE_USER, users.remove, ADMIN, query=CHANGE, status=204),
)

PROJECT_ROUTES = (
    _Route("GET", "/v1/projects", projects.listing, USER, a.PROJECT_PAGE, query=a.PROJECT_LIST),
    _Route("POST", "/v1/projects", projects.create, ADMIN, a.ProjectShape(), a.ProjectAsked(), CHANGE, 201),
    _Route("GET", ONE_PROJECT, projects.get, USER, a.ProjectShape(), query=READ),
    _Route("PATCH", ONE_PROJECT, projects.change, ADMIN, a.ProjectShape(), a.ProjectChanges(), CHANGE),
    _Route("DELETE", ONE_PROJECT, projects.remove, ADMIN, query=CHANGE, status=204),
    _Route("GET", MEMBERS, members.listing, USER, a.MEMBER_PAGE, query=a.MEMBER_LIST),
    _Route("PUT", ONE_MEMBER, members.put, ADMIN, a.MemberShape(), a.MemberAsked(), CHANGE),
    _Route("DELETE", ONE_MEMBER, members.remove, ADMIN, query=CHANGE, status=204),
)

TOKEN_ROUTES = (
    _Route("GET", "/v1/tokens", tokens.listing, USER, a.API_TOKEN_PAGE, query=a.API_TOKEN_LIST),
    _Route("POST", "/v1/tokens", tokens.create, USER, a.ApiTokenShape(), a.ApiTokenAsked(), CHANGE, 201),
    _Route("GET", ONE_TOKEN, tokens.get, USER, a.ApiTokenShape(), query=READ),
    _Route("PATCH", ONE_TOKEN, tokens.change, USER, a.ApiTokenShape(), a.ApiTokenChanges(), CHANGE),
    _Route("DELETE", ONE_TOKEN, tokens.remove, USER, query=CHANGE, status=204),
)

ACCOUNT_ROUTES: tuple[Route, ...] = (*AUTH_ROUTES, *USER_ROUTES, *PROJECT_ROUTES, *TOKEN_ROUTES)
