# SPDX-License-Identifier: Apache-2.0
"""Specs, networks, databases and steps for tests of the image builder."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.common.contracts.codec import dump
from services.common.contracts.journal import JobView, StepContext, VmView
from services.common.contracts.network import Bond, BondMode, NetworkModel, Nic, Route, Vlan
from services.common.contracts.states import JobState, MediaState, VmState
from services.common.contracts.vm import Secrets, UserSpec, VmSpec
from services.common.runtime import keys as keys_module
from services.common.runtime.keys import Keys
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.models import Base, Project, Vm

VM_ID = "0193b5a0-0000-7000-8000-00000000abcd"
PROJECT = "0193b5a0-0000-7000-8000-000000000001"
OTHER_PROJECT = "0193b5a0-0000-7000-8000-000000000002"
MEDIA_ID = "0193b5a0-0000-7000-8000-0000000000ee"
JOB_ID = "0193b5a0-0000-7000-8000-0000000000ff"
MAC = "52:54:00:00:00:0{}".format


def a_nic(number: int = 1, **values: Any) -> Nic:
    """A link that is not configured unless told how."""
    return Nic(mac=MAC(number), network="net-1", **values)


# The columns every row of the catalogue answers, with a golden file or a refusal that names the field.
_CARDS: dict[str, Sequence[Nic]] = {
    "N1-one-dhcp": [a_nic(dhcp4=True)],
    "N2-one-static-v4": [a_nic(addresses=("192.0.2.10/24",), gateway4="192.0.2.1", dns=("192.0.2.53",))],
    "N3-static-dual-stack": [
        a_nic(
            addresses=("192.0.2.10/24", "2001:db8::10/64"),
            gateway4="192.0.2.1",
            gateway6="2001:db8::1",
            dns=("192.0.2.53", "2001:db8::53"),
            search=("example.org", "lab.example.org"),
        )
    ],
    "N4-v6-only": [a_nic(addresses=("2001:db8::10/64",), gateway6="fe80::1", dns=("2001:db8::53",))],
    "N5-static-and-dhcp-without-its-default-route": [
        a_nic(1, addresses=("192.0.2.10/24",), gateway4="192.0.2.1"),
        a_nic(2, dhcp4=True, default_route=False),
    ],
    "N6-two-static-one-gateway": [
        a_nic(1, addresses=("192.0.2.10/24",), gateway4="192.0.2.1"),
        a_nic(2, addresses=("198.51.100.10/24",)),
    ],
    "N7-three-mixed": [
        a_nic(1, dhcp4=True),
        a_nic(2, addresses=("198.51.100.10/24",)),
        a_nic(3, addresses=("2001:db8:3::10/64",), name="inner0"),
    ],
    "N8-several-addresses": [
        a_nic(addresses=("192.0.2.10/24", "192.0.2.11/24", "198.51.100.7/25", "2001:db8::10/64"), gateway4="192.0.2.1")
    ],
    "N9-routes-with-metrics": [
        a_nic(
            addresses=("192.0.2.10/24", "2001:db8::10/64"),
            routes=(
                Route("0.0.0.0/0", "192.0.2.1", 100),
                Route("203.0.113.0/24", "192.0.2.2", 50),
                Route("2001:db8:9::/48", "2001:db8::2"),
            ),
        )
    ],
    "N12-unconfigured-mtu-9000": [a_nic(1, dhcp4=True), a_nic(2, mtu=9000)],
}
_STATIC: dict[str, Any] = {"addresses": ("192.0.2.10/24",), "gateway4": "192.0.2.1"}
COLUMNS: dict[str, NetworkModel] = {
    **{name: NetworkModel(tuple(nics)) for name, nics in _CARDS.items()},
    "N10-vlan-on-a-card": NetworkModel(
        (a_nic(1, dhcp4=True),), vlans=(Vlan("vlan20", 20, MAC(1), addresses=("198.51.100.10/24",)),)
    ),
    "N11-bonds-and-vlan": NetworkModel(
        (a_nic(1), a_nic(2), a_nic(3), a_nic(4)),
        bonds=(
            Bond("bond0", (MAC(1), MAC(2)), BondMode.LACP, **_STATIC),
            Bond("bond1", (MAC(3), MAC(4)), BondMode.ACTIVE_BACKUP, mtu=9000),
        ),
        vlans=(Vlan("vlan30", 30, "bond1", addresses=("198.51.100.10/24", "2001:db8:30::10/64")),),
    ),
}

SPEC = VmSpec(
    name="web-1",
    hostname="web-1",
    domain="example.org",
    os="debian-12",
    vcpus=1,
    memory_mib=512,
    disk_gib=4,
    nics=COLUMNS["N2-one-static-v4"].nics,
    users=(UserSpec("ops", ("ssh-ed25519 AAAAC3Nz ops@desk",)), UserSpec("guest", sudo=False)),
)
SECRETS = Secrets(password_hashes={"ops": "$6$salt$aVeryLongHash./0"})


def a_spec(**changes: Any) -> VmSpec:
    """SPEC, changed."""
    return replace(SPEC, **changes)


def new_database(folder: Path) -> Database:
    """A fresh SQLite database with every table and two projects."""
    database = Database(f"sqlite:///{folder / 'test.db'}")
    Base.metadata.create_all(database.engine)
    now = time.time()
    with database.write() as session:
        for project, name in ((PROJECT, "default"), (OTHER_PROJECT, "other")):
            session.add(Project(id=project, name=name, **_filled(Project, now)))
    return database


def _filled(table: type[Any], now: float) -> dict[str, Any]:
    """Times and empty texts for what a test does not care about."""
    values: dict[str, Any] = {}
    for column in table.__table__.columns:
        if column.name not in ("id", "name") and column.default is None and not column.nullable:
            values[column.name] = now if column.name.endswith("_at") else {} if "JSON" in repr(column.type) else ""
    return values


def new_keys(folder: Path) -> Keys:
    """Fresh keys of an installation."""
    keys_module.init(folder / "keys")
    return Keys.load(folder / "keys")


def add_vm(database: Database, keys: Keys, spec: VmSpec, secrets: Secrets, state: str = VmState.PROVISIONING) -> None:
    """The vm's row, its secrets sealed."""
    now = time.time()
    with database.write() as session:
        session.add(
            Vm(
                id=VM_ID,
                project_id=PROJECT,
                name=spec.name,
                state=state,
                os=spec.os,
                flavor="",
                spec=dump(spec),
                secrets=keys.seal(json.dumps(dump(secrets))),
                created_at=now,
                updated_at=now,
            )
        )


def add_media(database: Database, sha256: str, url: str, **changes: Any) -> None:
    """A medium's row, importing unless told otherwise."""
    now = time.time()
    values = {
        "id": MEDIA_ID,
        "project_id": PROJECT,
        "name": "debian-13",
        "os": "debian-13",
        "kind": "cloud-image",
        "state": MediaState.IMPORTING,
        "created_at": now,
        "updated_at": now,
        **changes,
    }
    with database.write() as session:
        session.add(Media(sha256=sha256, url=url, **values))


class Told(list[tuple[float | None, str]]):
    """A progress callback that remembers."""

    def __call__(self, percent: float | None, text: str) -> None:
        self.append((percent, text))


def a_step(spec: VmSpec | None = None, media: str = "", told: Told | None = None, **job: Any) -> StepContext:
    """What a handler gets."""
    vm = spec and VmView(VM_ID, PROJECT, spec.name, spec, VmState.PROVISIONING, 1, "host-1", "platform-1")
    kind = "vm.create" if vm else "media.import"
    view = JobView(JOB_ID, kind, PROJECT, JobState.RUNNING, "build", 0, 1, vm or None, media=media, **job)
    return StepContext(view, told if told is not None else Told(), time.time())
