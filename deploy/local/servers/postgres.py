# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL: a cluster in a directory, on loopback and a socket beside it, with a password."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from deploy.local.files import secret, write
from deploy.local.servers.base import Server, ServerError, need, plain_env, private

_USER = "innkeeper"
_MISSING = "PostgreSQL isn't installed. Run `make test`, or: apt-get install postgresql"


class Postgres(Server):
    """PostgreSQL that runs as the caller; for root as an existing unprivileged user, since it refuses root.

    `durable=False` trades safety on power loss for speed; only for tests.
    """

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": doesn't wait for clients to leave

    def __init__(self, directory: Path, durable: bool = True) -> None:
        super().__init__(directory)
        self._durable = durable

    @property
    def url(self) -> str:
        """postgresql+psycopg://user:password@127.0.0.1:port/innkeeper, as SQLAlchemy takes it."""
        return self.database_url(_USER)

    def database_url(self, database: str) -> str:
        """The URL of one database of this cluster."""
        return f"postgresql+psycopg://{_USER}:{self._password}@127.0.0.1:{self.ports['postgres']}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """An empty database, or a copy of one nobody is connected to; returns its URL. One that exists is dropped."""
        self._client("dropdb", "--if-exists", "--force", name)
        self._client("createdb", "--template", template, name)
        return self.database_url(name)

    def prepare(self) -> None:
        private(self.directory)
        self.reserve_ports("postgres")
        if not (self._data / "PG_VERSION").exists():
            self._init()

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.ports["postgres"],
            "unix_socket_directories": self._data,
            "shared_buffers": "64MB",
            "max_connections": 100,
            "fsync": "on" if self._durable else "off",
            "synchronous_commit": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [
            *self._as_user,
            str(self._bin / "postgres"),
            "-D",
            str(self._data),
            *options,
        ]

    def env(self) -> dict[str, str]:
        return plain_env(HOME=str(self._data), PGTZ="UTC")

    def ready(self) -> bool:
        if "postgres" not in self.ports:
            return False
        command = [
            str(self._bin / "pg_isready"),
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.ports["postgres"]),
        ]
        return subprocess.run(command, env=plain_env(), check=False).returncode == 0

    def _init(self) -> None:
        """A new cluster with our user and our database, made beside its place and moved there when whole."""
        fresh = self.directory / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        private(fresh)
        password_file = fresh.with_name("initial-password")
        write(password_file, self._password + "\n")
        for path in (fresh, password_file):
            shutil.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        options = [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--no-sync",
            f"--username={_USER}",
        ]
        self._run(
            [
                str(self._bin / "initdb"),
                "-D",
                str(fresh),
                f"--pwfile={password_file}",
                *options,
            ]
        )
        password_file.unlink()
        single = [str(self._bin / "postgres"), "--single", "-D", str(fresh), "postgres"]
        self._run(single, f"CREATE DATABASE {_USER}\n")
        shutil.rmtree(self._data, ignore_errors=True)
        fresh.rename(self._data)

    def _run(self, command: list[str], text: str = "") -> None:
        done = subprocess.run(
            [*self._as_user, *command],
            input=text,
            env=self.env(),
            cwd="/",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"{Path(command[0]).name} failed with code {done.returncode}:\n{done.stdout}")

    def _client(self, program: str, *words: str) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self.ports["postgres"]), "-U", _USER]
        command = [
            str(self._bin / program),
            *where,
            "--maintenance-db=postgres",
            *words,
        ]
        env = plain_env(PGPASSWORD=self._password)
        done = subprocess.run(command, env=env, text=True, capture_output=True, check=False)
        if done.returncode:
            raise ServerError(f"{program} failed: {done.stderr.strip()}")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _password(self) -> str:
        return secret(self.directory / "password")

    @cached_property
    def _bin(self) -> Path:
        """The newest installed version's programs (Debian keeps them out of PATH)."""
        found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise ServerError(_MISSING)
        return max(found, key=lambda path: int(path.parts[-3])).parent

    @cached_property
    def _owner(self) -> pwd.struct_passwd:
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise ServerError("PostgreSQL refuses to run as root, and neither user postgres nor nobody exists.")

    @property
    def _as_user(self) -> list[str]:
        """Become the owner; keep the right to walk through directories that are root's alone."""
        if os.geteuid() != 0:
            return []
        owner = self._owner
        ids = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        walk = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return [need("setpriv", package="util-linux"), *ids, *walk, "--"]
