# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ: one small node with quorum queues and the management API, all of it on loopback."""

from __future__ import annotations

import base64
import http.client
import socket
from pathlib import Path
from typing import ClassVar

from deploy.local.files import secret, write
from deploy.local.servers.base import Server, ServerError, need, plain_env, private

_USER = "innkeeper"
_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

# default_user replaces guest when the database is empty, so a wiped broker comes back with the same user.
_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {admin}
management.rates_mode = none
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
log.console = false
log.file = {log}
log.file.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 64MB
raft.wal_max_size_bytes = 33554432
heartbeat = 30
"""

# No busy waiting and two schedulers: an idle node costs no CPU and about 150 MiB.
_ERLANG = "+S 2:2 +SDcpu 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none +stbt u +P 131072 +zdbbl 32000"
_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"

# epmd in the foreground stays in this session and is ended with it; left to itself RabbitMQ leaves one behind.
_LAUNCH = '"$1" -port "$ERL_EPMD_PORT" -address 127.0.0.1 >/dev/null 2>&1 & exec "$2"'


class RabbitMQ(Server):
    """RabbitMQ with a random password; `guest` doesn't exist."""

    name: ClassVar[str] = "rabbitmq"

    @property
    def url(self) -> str:
        """amqp://user:password@127.0.0.1:port// (virtual host "/")"""
        return f"amqp://{self.user}:{self.password}@127.0.0.1:{self.ports['amqp']}//"

    @property
    def admin_url(self) -> str:
        """http://user:password@127.0.0.1:port of the management API, without a trailing slash."""
        return f"http://{self.user}:{self.password}@127.0.0.1:{self.ports['admin']}"

    @property
    def user(self) -> str:
        """The administrator's name."""
        return _USER

    @property
    def password(self) -> str:
        """The administrator's password; the same after a wipe."""
        return secret(self.directory / "password")

    def prepare(self) -> None:
        if not _SCRIPT.exists():
            raise ServerError("RabbitMQ isn't installed. Run `make up`, or: apt-get install rabbitmq-server")
        private(self.directory)
        private(self.directory / "data")
        self.reserve_ports("amqp", "admin", "epmd", "dist")
        settings = {
            **self.ports,
            "user": self.user,
            "password": self.password,
            "log": self.directory / "node.log",
        }
        write(self.directory / "rabbitmq.conf", _CONFIG.format(**settings))
        write(self.directory / "enabled_plugins", "[rabbitmq_management].\n")
        write(self.directory / "advanced.config", "[].\n")
        write(self.directory / "env.conf", "")

    def command(self) -> list[str]:
        epmd = need("epmd", package="erlang-base")
        return ["/bin/sh", "-c", _LAUNCH, "rabbitmq", epmd, str(_SCRIPT)]

    def env(self) -> dict[str, str]:
        here = self.directory
        return plain_env(
            HOME=str(here / "data"),
            ERL_EPMD_PORT=str(self.ports["epmd"]),
            ERL_EPMD_ADDRESS="127.0.0.1",
            ERL_CRASH_DUMP_SECONDS="0",
            ERL_MAX_PORTS="8192",
            RABBITMQ_NODENAME="innkeeper@localhost",
            RABBITMQ_DIST_PORT=str(self.ports["dist"]),
            RABBITMQ_CONF_ENV_FILE=str(here / "env.conf"),
            RABBITMQ_CONFIG_FILE=str(here / "rabbitmq.conf"),
            RABBITMQ_ADVANCED_CONFIG_FILE=str(here / "advanced.config"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(here / "enabled_plugins"),
            RABBITMQ_MNESIA_BASE=str(here / "data"),
            RABBITMQ_LOG_BASE=str(here),
            RABBITMQ_PID_FILE=str(here / "node.pid"),
            RABBITMQ_GENERATED_CONFIG_DIR=str(here / "data" / "config"),
            RABBITMQ_FEATURE_FLAGS_FILE=str(here / "data" / "feature_flags"),
            RABBITMQ_SERVER_ERL_ARGS=_ERLANG,
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=_LOOPBACK,
            RUNNING_UNDER_SYSTEMD="true",  # makes the script exec the node instead of waiting for it
        )

    def ready(self) -> bool:
        return self._speaks_amqp() and self._admin_answers()

    def _speaks_amqp(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports["amqp"]), 0.5) as connection:
                connection.settimeout(2)
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"  # a method frame: Connection.Start
        except OSError:
            return False

    def _admin_answers(self) -> bool:
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=2)
        try:
            connection.request("GET", "/api/whoami", headers={"Authorization": f"Basic {login}"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
