# SPDX-License-Identifier: Apache-2.0
"""Private copies of the servers Innkeeper stands on: one file a server, one directory an instance, nothing shared."""

from deploy.local.servers.base import Server, ServerError
from deploy.local.servers.libvirtd import Libvirtd
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.servers.redis import Redis

__all__ = ["Libvirtd", "Postgres", "RabbitMQ", "Redis", "Server", "ServerError"]
