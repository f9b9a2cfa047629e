# SPDX-License-Identifier: Apache-2.0
"""The API in this process, asked over HTTP semantics by people with every role."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from services.api.app import create_app
from services.api.passwords import Passwords
from services.common.contracts.ids import new_id
from services.common.contracts.topics import job_channel, project_channel
from services.common.runtime import keys
from services.common.runtime.feed import Feed
from services.common.runtime.settings import Settings
from services.common.store.database import Announce, Database
from services.common.store.migrate import upgrade
from services.common.store.models import Membership, Project, User

# werkzeug's TestResponse, whose .json would have to be checked for None at every use
Response = Any
PASSWORD = "correct horse battery"
# Everybody but the admin has this role in the project "default"; the stranger has none anywhere.
PEOPLE = ("admin", "operator", "member", "viewer", "stranger")
_addresses = count(1)


@dataclass
class Api:
    """An application with people in it: one of each role, and a stranger."""

    app: Flask
    database: Database
    settings: Settings
    keys: keys.Keys
    feed: Feed
    ids: dict[str, str] = field(default_factory=dict)  # user name -> id
    project_id: str = ""  # of "default"
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)  # who has signed in already

    def ask(
        self,
        user: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Response:
        """One request by `user` ("" for nobody), who is signed in where needed."""
        every = {"Authorization": f"Bearer {self.access(user)}"} if user else {}
        every.update(headers or {})
        more = {} if body is None else {"json": body}
        client = self.app.test_client()
        return client.open(path, method=method, headers=every, environ_base={"REMOTE_ADDR": address}, **more)

    def done(self, user: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON of a request that must succeed."""
        answer = self.ask(user, method, path, body, **more)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        return answer.json if answer.content_length else None

    def sign_in(self, username: str, password: str = PASSWORD) -> dict[str, Any]:
        """A new session's tokens; from an address of its own, so that no limit is met by chance."""
        n = next(_addresses)
        address = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        body = {"username": username, "password": password}
        tokens: dict[str, Any] = self.done("", "POST", "/v1/auth/token", body, address=address)
        return tokens

    def access(self, username: str) -> str:
        """The access token of somebody with the usual password."""
        if username not in self.tokens:
            self.tokens[username] = self.sign_in(username)
        return str(self.tokens[username]["access_token"])

    def user(self, name: str = "", **more: Any) -> dict[str, Any]:
        """A new user with the usual password."""
        name = name or f"u-{new_id()}"
        made: dict[str, Any] = self.done("admin", "POST", "/v1/users", {"username": name, "password": PASSWORD, **more})
        return made

    def project(self, name: str = "", **members: str) -> dict[str, Any]:
        """A new project; `members` are user names and their roles."""
        made: dict[str, Any] = self.done("admin", "POST", "/v1/projects", {"name": name or f"p-{new_id()}"})
        for username, role in members.items():
            self.done("admin", "PUT", f"/v1/projects/{made['id']}/members/{self.ids[username]}", {"role": role})
        return made


def open_api(directory: Path, database_url: str, redis_url: str, env: Mapping[str, str] | None = None) -> Api:
    """A whole installation in `directory`: keys, schema, people, application; `env` adds to its settings."""
    keys.init(directory / "keys")
    settings = Settings.from_env(
        {
            "INNKEEPER_DATABASE_URL": database_url,
            "INNKEEPER_BROKER_URL": "amqp://127.0.0.1:1//",
            "INNKEEPER_REDIS_URL": redis_url,
            "INNKEEPER_KEYS_DIR": str(directory / "keys"),
            "INNKEEPER_STATE_DIR": str(directory / "state"),
            "INNKEEPER_ANSWER_S": "3",
            **(env or {}),
        }
    )
    feed = Feed(redis_url)
    database = Database(database_url, _telling(feed))
    upgrade(database)
    ring = keys.Keys.load(settings.keys_dir)
    api = Api(create_app(settings, database, ring, feed), database, settings, ring, feed)
    _populate(api)
    return api


def _telling(feed: Feed) -> Announce:
    """Tells events to readers; there is no broker, so nobody is rung for."""

    def announce(events: list[dict[str, Any]], _rang: object) -> None:
        feed.publish_all((job_channel(e["job"]), e) for e in events)
        feed.publish_all((project_channel(e["project"]), e) for e in events)

    return announce


def _populate(api: Api) -> None:
    kept = Passwords().hash(PASSWORD)
    with api.database.write() as db:
        api.project_id = db.scalars(select(Project.id).where(Project.name == "default")).one()
        for name in PEOPLE:
            api.ids[name] = new_id()
            stamps = {"created_at": 0.0, "updated_at": 0.0}
            db.add(User(id=api.ids[name], username=name, password_hash=kept, is_admin=name == "admin", **stamps))
        db.flush()
        for name in ("operator", "member", "viewer"):
            db.add(Membership(project_id=api.project_id, user_id=api.ids[name], role=name))
