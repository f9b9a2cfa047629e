# SPDX-License-Identifier: Apache-2.0
"""Who holds a MAC or an address already: asked when the database has refused, or before a vm gets another card."""

from collections.abc import Iterator

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import Problem
from services.common.store.models import AddressLease, Vm


def leases_taken(db: Session, leases: list[tuple[str, str, str]]) -> list[Problem]:
    """Of (pointer, network, address) those that another vm has."""
    if not leases:
        return []
    addresses = {address for _, _, address in leases}
    rows = db.execute(select(AddressLease.network_id, AddressLease.address).where(AddressLease.address.in_(addresses)))
    held = {(row.network_id, row.address) for row in rows}
    return [
        Problem(pointer, f"{address} is given to another vm", "choose another address")
        for pointer, network, address in leases
        if (network, address) in held
    ]


def mac_problem(db: Session, mac: str, pointer: str) -> Iterator[Problem]:
    """Whether a MAC that was given is a vm's already."""
    if not mac:
        return
    quoted = f'%"{mac.lower()}"%'
    if db.scalar(select(Vm.id).where(Vm.deleted_at.is_(None), cast(Vm.spec, String).like(quoted)).limit(1)):
        yield Problem(pointer, f"{mac} is used by another vm", "leave it out")
