# SPDX-License-Identifier: Apache-2.0
"""Hosts: register them, look at them, take them out of use, remove them."""

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.hosts import host_view
from services.api.views.jobs import tagged as tagged_job
from services.api.views.power import host_power_view
from services.common.contracts.errors import Conflict, IllegalMove, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import HOST_MOVES, HostState, moved
from services.common.runtime.broker_admin import host_user, rabbit_password_hash
from services.common.store.datastores import datastores_of
from services.common.store.host_power import host_powers
from services.common.store.host_states import move_host
from services.common.store.models import Claim, Host, Job, Vm, VmLoad, Volume
from services.common.store.sleeping import Asker, put_to_sleep, wake_up
from services.common.store.waiting_for_room import ring_for_room

JsonDict = dict[str, Any]
ORDER = Order(Host.id, {"name": Host.name, "created_at": Host.id, "state": Host.state})
CURVE_POINTS = 11
_NOTHING: JsonDict = {"price_kwh": None, "tariff": {}}  # what null stands for; "" elsewhere
_SLEEP = (HostState.FALLING_ASLEEP, HostState.ASLEEP, HostState.WAKING)


def listing(call: Call, db: Session) -> JsonDict:
    """Every host: capacity, what claims hold, telemetry, watts and where they come from."""
    statement = select(Host)
    if call.query.get("state"):
        statement = statement.where(Host.state == call.query["state"])
    return listed(db, call, statement, ORDER, lambda rows: _views(call, db, rows))


def get(call: Call, db: Session) -> JsonDict:
    """One host."""
    return chosen(_views(call, db, [_find(call, db)])[0], call.query.get("fields"))


def capabilities(call: Call, db: Session) -> JsonDict:
    """What its driver can do."""
    row = _find(call, db)
    facts = row.facts or {}
    return {
        "driver": row.driver,
        "version": facts.get("version", ""),
        "capabilities": facts.get("capabilities", []),
        "traits": row.traits,
        "accelerator": facts.get("accelerator", ""),
    }


def power(call: Call, db: Session) -> JsonDict:
    """What it draws now, and which vm how much of it."""
    row = _find(call, db)
    found = host_powers(db, call.now, [row.id])[row.id]
    named = db.execute(select(Vm.id, Vm.name).where(Vm.id.in_(list(found.shares))))
    return host_power_view(found, {vm_id: name for vm_id, name in named})


def register(call: Call, db: Session) -> Answer:
    """Make a host known. The answer holds its agent's configuration, password included, this one time."""
    asked = call.body
    _check_curve(asked["power_curve"])
    if db.scalar(select(Host.id).where(Host.name == asked["name"])):
        detail = f"a host named {asked['name']!r} exists"
        raise Conflict(detail, [Problem("/name", detail, "choose another name")])
    host_id, password = new_id(), secrets.token_urlsafe(32)
    row = Host(
        id=host_id,
        name=asked["name"],
        driver=asked["driver"],
        state=str(HostState.ENROLLED),
        zone=asked["zone"] or "",
        rack=asked["rack"] or "",
        price_kwh=asked["price_kwh"],
        tariff=asked["tariff"] or {},
        traits=asked["traits"],
        labels=asked["labels"],
        power_curve=asked["power_curve"],
        broker_user=host_user(host_id),
        broker_password_hash=rabbit_password_hash(password),
        facts={},
        telemetry={},
        vcpus=0,
        memory_mib=0,
        disk_gib=0,
        used_vcpus=0,
        used_memory_mib=0,
        used_disk_gib=0,
        generation=0,
        created_at=call.now,
        updated_at=call.now,
    )
    db.add(row)
    db.flush()
    if not call.dry_run:
        call.parts.broker.ensure_host(host_id, row.broker_password_hash)
    agent = _agent(call, db, row, password)
    body = {"host": host_view(row, 0, True, call.now), "agent": {} if call.dry_run else agent}
    return Answer(body, 201, {"Location": f"/v1/hosts/{host_id}", "Cache-Control": "no-store"})


def _agent(call: Call, db: Session, row: Host, password: str) -> JsonDict:
    parts = urlsplit(call.parts.settings.broker_url)
    server = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(row.broker_user, safe='')}:{quote(password, safe='')}@{server}"
    return {
        "host_id": row.id,
        "platform": call.parts.journal.platform(db),
        "driver": row.driver,
        "broker_url": urlunsplit(parts._replace(netloc=netloc)),
        "command_public_key": call.parts.keys.command_public_pem,
        **({"zone": row.zone} if row.zone else {}),
        **({"power_curve": row.power_curve} if row.power_curve else {}),
    }


def change(call: Call, db: Session) -> JsonDict:
    """Change zone, rack, traits, labels, power curve or the prices of its energy."""
    row = _find(call, db)
    etags.check(call.headers.get("If-Match", ""), _views(call, db, [row])[0]["etag"], required=True)
    _check_curve(call.body.get("power_curve", []))
    for key, value in call.body.items():
        setattr(row, key, _NOTHING.get(key, "") if value is None else value)
    row.generation += 1
    row.updated_at = call.now
    db.flush()
    ring_for_room(db)
    return _views(call, db, [row])[0]


def drop(call: Call, db: Session) -> Answer:
    """Remove a host that holds nothing."""
    row = _find(call, db)
    etags.check(call.headers.get("If-Match", ""), _views(call, db, [row])[0]["etag"], required=True)
    claims = db.scalar(select(func.count()).select_from(Claim).where(Claim.host_id == row.id)) or 0
    vms = db.scalar(select(func.count()).select_from(Vm).where(Vm.host_id == row.id, Vm.deleted_at.is_(None))) or 0
    if claims or vms:
        raise Conflict(f"host {row.name!r} holds {max(claims, vms)} vms; delete them first")
    kept = db.scalar(select(func.count()).select_from(Volume).where(Volume.host_id == row.id, Volume.held_gib > 0))
    if kept:
        raise Conflict(f"host {row.name!r} holds {kept} volumes; delete them first")
    db.execute(delete(Volume).where(Volume.host_id == row.id))  # what is left tells of what is no more
    db.delete(row)
    db.execute(delete(VmLoad).where(VmLoad.host_id == row.id))
    if not call.dry_run:
        call.parts.broker.drop_host(row.id)
    return Answer(None, 204)


def drain(call: Call, db: Session) -> JsonDict:
    """Place nothing more on it; what runs goes on."""
    return _moved(call, db, HostState.DRAINING)


def maintenance(call: Call, db: Session) -> JsonDict:
    """Take it out of use until it is activated."""
    return _moved(call, db, HostState.MAINTENANCE)


def activate(call: Call, db: Session) -> JsonDict:
    """Use it again; should its agent be silent, it is found down."""
    if HostState(_find(call, db).state) in _SLEEP:
        raise IllegalMove("the host sleeps or is on its way; wake it")
    return _moved(call, db, HostState.UP)


def sleep(call: Call, db: Session) -> Answer:
    """Put an empty host to sleep: a job, which its agent answers before it sleeps."""
    return _dozing(call, db, put_to_sleep)


def wake(call: Call, db: Session) -> Answer:
    """Call a host that sleeps, or is down, until it speaks: a job, which fails when the host never does."""
    return _dozing(call, db, wake_up)


def _dozing(call: Call, db: Session, begin: Callable[[Session, str, Asker], Job]) -> Answer:
    job = begin(db, _find(call, db).id, Asker(call.project.id, call.who.id, call.trace_id))
    body = {"host": _views(call, db, [_find(call, db)])[0], "job": tagged_job(call, db, job)}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})


def _moved(call: Call, db: Session, target: HostState) -> JsonDict:
    row = _find(call, db)
    old = HostState(row.state)
    if moved(HOST_MOVES, old, target) != old and not move_host(db, row.id, target, [old]):
        raise Conflict(f"host {row.name!r} changed its state in this moment; look at it and try again")
    db.refresh(row)
    return _views(call, db, [row])[0]


def _find(call: Call, db: Session) -> Host:
    row = db.get(Host, call.path["host_id"])
    if row is None:
        raise NotFound(f"there is no host {call.path['host_id']}")
    return row


def _views(call: Call, db: Session, rows: Any) -> list[JsonDict]:
    counts = select(Claim.host_id, func.count()).group_by(Claim.host_id)
    counted: dict[str, int] = {row[0]: row[1] for row in db.execute(counts)}
    found = list(rows)
    stores = datastores_of(db, [row.id for row in found])
    return [host_view(row, counted.get(row.id, 0), call.admin, call.now, stores.get(row.id, ())) for row in found]


def _check_curve(curve: list[float]) -> None:
    detail = ""
    if curve and len(curve) != CURVE_POINTS:
        detail = f"a power curve has {CURVE_POINTS} figures (0, 10, ... 100 %); this has {len(curve)}"
    elif curve and curve[0] > curve[-1]:
        detail = "a host can't draw more when idle than when busy"
    if detail:
        raise Invalid(detail, [Problem("/power_curve", detail, "give watts at 0, 10, ... 100 % CPU")])
