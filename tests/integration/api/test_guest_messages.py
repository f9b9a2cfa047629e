# SPDX-License-Identifier: Apache-2.0
"""Guests that report over HTTPS: each with its own token, checked as the port is, kept for the conductor."""

import time
from typing import Any

import pytest
from sqlalchemy import select, update

from services.api import limits
from services.common.contracts.guest import MAX_LINE
from services.common.contracts.ids import new_id
from services.common.store.guests import token_row
from services.common.store.models import GuestMessage, Vm
from services.common.store.together import write_together
from tests.support.front_door import Api, Response

AT = "/v1/guest/messages"
PHASE = {"type": "phase", "name": "packages", "percent": 40}


@pytest.fixture
def vm(api: Api) -> str:
    made = api.done("member", "POST", "/v1/vms", {"name": f"g-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"})
    return str(made["vm"]["id"])


@pytest.fixture
def token(api: Api, vm: str) -> str:
    with api.database.write() as db:
        write_together(db, [token_row(vm, f"token-{vm}", time.time())])
    return f"token-{vm}"


def tells(api: Api, token: str, message: Any, address: str = "10.9.0.1") -> Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return api.ask("", "POST", AT, message, headers, address)


def kept(api: Api, vm: str) -> list[dict[str, Any]]:
    with api.database.read() as db:
        mine = select(GuestMessage.message).where(GuestMessage.vm_id == vm).order_by(GuestMessage.id)
        return list(db.scalars(mine))


def test_a_message_is_kept_for_the_vm_whose_token_came_with_it(api: Api, vm: str, token: str) -> None:
    answer = tells(api, token, PHASE)
    assert (answer.status_code, answer.data) == (204, b"")
    assert kept(api, vm) == [PHASE]


def test_what_the_protocol_does_not_know_is_left_out(api: Api, vm: str, token: str) -> None:
    assert tells(api, token, {**PHASE, "vm": "another", "colour": "red"}).status_code == 204
    assert kept(api, vm) == [PHASE]


@pytest.mark.parametrize("wrong", ["", "token-of-nobody", "x" * 300])
def test_a_token_nobody_has_is_refused(api: Api, vm: str, token: str, wrong: str) -> None:
    assert tells(api, wrong, PHASE).status_code == 401
    assert kept(api, vm) == []


def test_a_user_s_token_is_no_guest_s(api: Api) -> None:
    assert api.ask("admin", "POST", AT, PHASE).status_code == 401


def test_the_token_of_a_deleted_vm_is_worth_nothing(api: Api, vm: str, token: str) -> None:
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == vm).values(deleted_at=time.time()))
    assert tells(api, token, PHASE).status_code == 401


@pytest.mark.parametrize(
    "message",
    [
        {"type": "order"},
        {"type": "phase"},
        {"type": "phase", "name": 7},
        {"type": "phase", "name": "x", "percent": 101},
        {"type": "report", "boot_id": "b", "hostname": "h", "interfaces": [{"name": "eth0"}], "routes": [], "dns": []},
    ],
)
def test_what_the_port_would_drop_is_refused_with_its_reason(api: Api, vm: str, token: str, message: Any) -> None:
    answer = tells(api, token, message)
    assert answer.status_code == 422
    assert answer.json["errors"]
    assert kept(api, vm) == []


def test_a_message_that_is_too_long_is_refused(api: Api, vm: str, token: str) -> None:
    assert tells(api, token, {"type": "failed", "phase": "x", "log": "y" * MAX_LINE}).status_code == 413
    assert kept(api, vm) == []


def test_a_guest_that_says_too_much_is_told_to_wait(
    api: Api, vm: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GUEST_MESSAGES", 3)
    answers = [tells(api, token, PHASE) for _ in range(4)]
    assert [a.status_code for a in answers] == [204, 204, 204, 429]
    assert answers[-1].headers["Retry-After"]


def test_who_tries_tokens_is_told_to_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STRANGERS", 2)
    answers = [tells(api, f"guess-{n}", PHASE, address="10.9.9.9").status_code for n in range(3)]
    assert answers == [401, 401, 429]
