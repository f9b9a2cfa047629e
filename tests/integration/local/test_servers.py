# SPDX-License-Identifier: Apache-2.0
"""What every private server keeps: readiness, data, ports, credentials, and nothing running after its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import kombu
import psycopg
import pytest
import redis

from deploy.local.servers import Postgres, RabbitMQ, Redis, Server
from deploy.local.servers.certificates import kept_certificates
from deploy.local.servers.vcsim import Vcsim
from tests.support.vcsim.running import CACHE
from tests.support.waiting import until

Start = Callable[[Server], Server]


def _vcsim(directory: Path) -> Server:
    return Vcsim(directory, kept_certificates(directory.with_name("tls"), time.time()), CACHE)


ALL: list[Callable[[Path], Server]] = [Redis, Postgres, RabbitMQ, _vcsim]


@pytest.mark.parametrize("kind", ALL)
def test_a_server_comes_back_after_a_kill_on_the_same_url(
    kind: Callable[[Path], Server], tmp_path: Path, start: Start
) -> None:
    server = start(kind(tmp_path / "server"))
    url, before = server.url, server.pids()
    server.kill()
    assert not any(pid.alive() for pid in before)
    start(server)
    assert server.ready()
    assert server.url == url
    assert not {pid.pid for pid in server.pids()} & {pid.pid for pid in before}


@pytest.mark.parametrize("kind", ALL)
def test_another_object_on_the_same_directory_sees_and_stops_it(
    kind: Callable[[Path], Server], tmp_path: Path, start: Start
) -> None:
    first = start(kind(tmp_path / "server"))
    second = kind(tmp_path / "server")
    assert second.alive()
    assert second.pids() == first.pids()
    assert second.start().pids()[0] == first.pids()[0]
    second.stop()
    assert not first.alive()
    assert not first.pids()
    assert not first.ready()


@pytest.mark.parametrize("kind", ALL)
def test_a_wiped_server_starts_empty_with_the_same_credentials(
    kind: Callable[[Path], Server], tmp_path: Path, start: Start
) -> None:
    server = start(kind(tmp_path / "server"))
    url = server.url
    server.wipe()
    assert not (tmp_path / "server" / "data").exists()
    assert start(server).url == url
    assert server.ready()


@pytest.mark.parametrize("kind", ALL)
def test_no_secret_is_on_a_command_line_and_it_listens_on_loopback_alone(
    kind: Callable[[Path], Server], tmp_path: Path, start: Start
) -> None:
    server = start(kind(tmp_path / "server"))
    password = (tmp_path / "server" / "password").read_text().strip()
    for pid in server.pids():
        assert password.encode() not in Path(f"/proc/{pid.pid}/cmdline").read_bytes()
    assert (tmp_path / "server" / "password").stat().st_mode & 0o077 == 0
    ports = {f"{port:04X}" for port in server.ports.values()}
    sockets = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [fields[1].split(":") for fields in sockets if fields[3] == "0A"]
    loopback = {"0100007F", "00000000000000000000000001000000"}
    assert {address for address, port in listening if port in ports} <= loopback
    assert {port for _, port in listening} >= ports


def test_a_recycled_pid_is_never_signalled(tmp_path: Path, start: Start) -> None:
    server = start(Redis(tmp_path / "server"))
    pid = server.pids()[0]
    stranger = type(pid)(pid.pid, pid.started + 1, pid.boot)
    stranger.send(signal.SIGKILL)
    assert pid.alive()
    assert not stranger.alive()


def test_rabbitmq_takes_quorum_queues_and_knows_no_guest(tmp_path: Path, start: Start) -> None:
    server = start(RabbitMQ(tmp_path / "server"))
    assert isinstance(server, RabbitMQ)
    queue = kombu.Queue("q", queue_arguments={"x-queue-type": "quorum"})
    with kombu.Connection(server.url, transport_options={"confirm_publish": True}) as connection:
        connection.Producer().publish("hello", routing_key="q", declare=[queue])
    # RabbitMQ writes a new quorum queue's name 1 s late; killed before, the queue never elects a leader again.
    names = next((tmp_path / "server" / "data").rglob("quorum/*/names.dets"))
    until(lambda: b"%2F_q" in names.read_bytes(), 10, "the queue's name on disk")
    server.kill()
    start(server)
    with kombu.Connection(server.url) as connection:
        message = queue(connection.channel()).get(no_ack=True)
        assert message is not None
        assert message.payload == "hello"
    api = httpx.get(f"{server.admin_url}/api/users")
    assert [user["name"] for user in api.json()] == ["innkeeper"]
    guest = httpx.get(f"http://127.0.0.1:{server.ports['admin']}/api/whoami", auth=("guest", "guest"))
    assert guest.status_code == httpx.codes.UNAUTHORIZED


def test_redis_refuses_a_client_without_the_password(tmp_path: Path, start: Start) -> None:
    server = start(Redis(tmp_path / "server"))
    assert redis.Redis.from_url(server.url).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.ports["redis"]).ping()


def test_postgres_keeps_rows_across_a_kill_and_makes_databases(tmp_path: Path, start: Start) -> None:
    server = start(Postgres(tmp_path / "server"))
    assert isinstance(server, Postgres)
    url = server.create_database("books").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("create table room (n int)")
        connection.execute("insert into room values (7)")
    server.kill()
    start(server)
    with psycopg.connect(url) as connection:
        assert connection.execute("select n from room").fetchall() == [(7,)]
    server.create_database("books")
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regclass('room')").fetchone() == (None,)
