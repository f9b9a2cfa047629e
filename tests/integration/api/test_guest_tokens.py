# SPDX-License-Identifier: Apache-2.0
"""A guest that reports over HTTPS gets a token of its own when its vm is made; nobody else ever sees it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from deploy.local.servers import Redis
from services.common.catalog import systems
from services.common.catalog.entries import Reports
from services.common.contracts.codec import load
from services.common.contracts.ids import new_id
from services.common.contracts.vm import Secrets
from services.common.store.models import GuestToken, Job, JobEvent, Outbox, Vm
from tests.support.front_door import Api, Response, open_api

URL = "https://inn.example.org"


@contextmanager
def without_a_port(directory: Path, redis_server: Redis, **env: str) -> Iterator[Api]:
    """An installation whose smallest system has no port to its host."""
    changed = {**systems(), "mini": replace(systems()["mini"], reports=Reports.HTTPS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.api.app.systems", lambda: changed)
        found = open_api(directory, f"sqlite:///{directory / 'innkeeper.db'}", redis_server.url, env)
    yield found
    found.database.close()


@pytest.fixture(scope="module")
def heard(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with without_a_port(tmp_path_factory.mktemp("heard"), redis_server, INNKEEPER_GUEST_URL=f"{URL}/") as found:
        yield found


@pytest.fixture(scope="module")
def unheard(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with without_a_port(tmp_path_factory.mktemp("unheard"), redis_server) as found:
        yield found


def make(api: Api) -> Response:
    return api.ask("member", "POST", "/v1/vms", {"name": f"t-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"})


def secrets_of(api: Api, vm: str) -> Secrets:
    with api.database.read() as db:
        sealed = db.scalars(select(Vm.secrets).where(Vm.id == vm)).one()
    return load(Secrets, json.loads(api.keys.unseal(sealed))) if sealed else Secrets()


def test_its_image_carries_a_token_that_opens_the_door_for_this_vm(heard: Api) -> None:
    vm = make(heard).json["vm"]["id"]
    secrets = secrets_of(heard, vm)
    assert secrets.report_url == f"{URL}/v1/guest/messages"
    headers = {"Authorization": f"Bearer {secrets.guest_token}"}
    answer = heard.ask("", "POST", "/v1/guest/messages", {"type": "heartbeat", "uptime_s": 1}, headers)
    assert answer.status_code == 204
    other = secrets_of(heard, make(heard).json["vm"]["id"])
    assert other.guest_token != secrets.guest_token


def test_the_token_stands_nowhere_in_the_clear(heard: Api) -> None:
    answer = make(heard)
    token = secrets_of(heard, answer.json["vm"]["id"]).guest_token
    assert len(token) >= 43, "256 random bits"
    with heard.database.read() as db:
        rows = [*db.scalars(select(Vm)), *db.scalars(select(Job)), *db.scalars(select(JobEvent))]
        rows += [*db.scalars(select(Outbox)), *db.scalars(select(GuestToken))]
        told = "".join(str({k: v for k, v in vars(row).items() if not k.startswith("_")}) for row in rows)
    shown = heard.ask("admin", "GET", f"/v1/vms/{answer.json['vm']['id']}").text
    assert token not in told + shown + answer.text


def test_where_guests_can_not_reach_us_such_a_vm_is_refused_by_name(unheard: Api) -> None:
    answer = make(unheard)
    assert answer.status_code == 422
    (problem,) = answer.json["errors"]
    assert problem["pointer"] == "/os"
    assert "INNKEEPER_GUEST_URL" in problem["fix"]


def test_a_guest_with_a_port_has_no_token(api: Api) -> None:
    vm = make(api).json["vm"]["id"]
    assert secrets_of(api, vm) == Secrets()
    with api.database.read() as db:
        assert db.scalars(select(GuestToken).where(GuestToken.vm_id == vm)).first() is None


def needs_of(api: Api, os: str, **more: Any) -> tuple[set[str], Secrets]:
    """What its host must be able to do, and its secrets."""
    body = {"name": f"t-{new_id()[-12:]}", "os": os, "flavor": "medium", **more}
    made = api.ask("member", "POST", "/v1/vms", body)
    assert made.status_code == 202, made.text
    vm = made.json["vm"]["id"]
    with api.database.read() as db:
        spec = db.scalars(select(Vm.spec).where(Vm.id == vm)).one()
    return set(spec["needs"]), secrets_of(api, vm)


def test_where_guests_can_reach_us_one_that_speaks_https_may_go_to_a_host_that_can_t_hear_it(
    heard: Api, unheard: Api
) -> None:
    needs, secrets = needs_of(heard, "debian-12")
    assert needs == {"network-nat"}
    assert secrets.report_url == f"{URL}/v1/guest/messages"
    assert secrets.guest_token
    needs, secrets = needs_of(unheard, "debian-12")
    assert needs == {"network-nat", "guest-channel"}
    assert secrets == Secrets()


def test_a_guest_nobody_listens_to_needs_no_way_to_be_heard(heard: Api, unheard: Api) -> None:
    for api in (heard, unheard):
        assert needs_of(api, "debian-12", guest_agent=False) == ({"network-nat"}, Secrets())


def test_the_end_of_an_installation_must_be_heard_whoever_tells_it(heard: Api, unheard: Api) -> None:
    assert needs_of(heard, "debian-12-image")[0] == {"network-nat"}
    for api in (heard, unheard):
        assert needs_of(api, "debian-12-image", guest_agent=False)[0] == {"network-nat", "guest-channel"}
