# SPDX-License-Identifier: Apache-2.0
"""The statements of claims: on PostgreSQL one for many rows, on SQLite, which is no network away, one a row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from services.common.contracts.placement import HostView, Request
from services.common.store.host_room import give_room_back
from services.common.store.hosts import Claim, ClaimGroup
from services.common.store.json_text import dumps
from services.common.store.tables import table_of
from services.scheduler.capacity import Amounts

CLAIMS, GROUPS = table_of(Claim), table_of(ClaimGroup)
Values = dict[str, Any]


class Rise(NamedTuple):
    """What several claims together add to a host that must still be in the state and of the size that was seen."""

    host: HostView
    vcpus: int
    memory_mib: int
    disk_gib: int
    limits: Amounts
    claims: int


# Locked by id first: two groups that want the same hosts then queue, whatever order the join finds them in. The ids are
# given twice: of rows in JSON PostgreSQL believes that there are a hundred, and then reads all hosts to find three.
_RAISE = """
WITH wanted AS (
  SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS w(
    id text, state text, vcpus int, memory_mib int, disk_gib int, more_vcpus int, more_memory_mib int,
    more_disk_gib int, most_vcpus int, most_memory_mib int, most_disk_gib int, claims int)
), locked AS (
  SELECT id FROM hosts WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE
)
UPDATE hosts SET
  used_vcpus = hosts.used_vcpus + w.more_vcpus, limit_vcpus = w.most_vcpus,
  used_memory_mib = hosts.used_memory_mib + w.more_memory_mib, limit_memory_mib = w.most_memory_mib,
  used_disk_gib = hosts.used_disk_gib + w.more_disk_gib, limit_disk_gib = w.most_disk_gib,
  generation = hosts.generation + w.claims
FROM wanted w JOIN locked ON locked.id = w.id
WHERE hosts.id = w.id AND hosts.id = ANY(%(ids)s::text[]) AND hosts.state = w.state
  AND hosts.vcpus = w.vcpus AND hosts.memory_mib = w.memory_mib AND hosts.disk_gib = w.disk_gib
  AND hosts.used_vcpus + w.more_vcpus <= w.most_vcpus
  AND hosts.used_memory_mib + w.more_memory_mib <= w.most_memory_mib
  AND hosts.used_disk_gib + w.more_disk_gib <= w.most_disk_gib
RETURNING hosts.id
"""
_INSERT_CLAIMS = """
INSERT INTO claims (vm_id, job_id, host_id, vcpus, memory_mib, disk_gib, labels, created_at)
SELECT vm_id, job_id, host_id, vcpus, memory_mib, disk_gib, labels, created_at
FROM jsonb_populate_recordset(NULL::claims, %(rows)s::jsonb) ORDER BY vm_id
ON CONFLICT (vm_id) DO NOTHING RETURNING vm_id
"""
_INSERT_GROUPS = """
INSERT INTO claim_groups (name, place, vm_id)
SELECT name, place, vm_id FROM jsonb_populate_recordset(NULL::claim_groups, %(rows)s::jsonb) ORDER BY name, place
ON CONFLICT (name, place) DO NOTHING RETURNING vm_id, name, place
"""


def raise_used(session: Session, rises: Sequence[Rise]) -> set[str]:
    """Add to the hosts, each named once, where it fits; the ids of those where it didn't."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        given = {"rows": dumps([_row(rise) for rise in rises]), "ids": [rise.host.id for rise in rises]}
        taken = {row[0] for row in connection.exec_driver_sql(_RAISE, given)}
    else:
        taken = {rise.host.id for rise in rises if _raised(connection, rise)}
    return {rise.host.id for rise in rises} - taken


def insert_claims(session: Session, claims: Sequence[Values]) -> set[str]:
    """Write these rows; the vms that had none before."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return {row[0] for row in _sent(connection, _INSERT_CLAIMS, claims)}
    put = sqlite.insert(CLAIMS).on_conflict_do_nothing()
    return {row["vm_id"] for row in claims if connection.execute(put, row).rowcount}


def insert_groups(session: Session, groups: Sequence[Values]) -> set[tuple[str, str, str]]:
    """Write these rows; (vm, group, place) of those that nobody had."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return {(row[0], row[1], row[2]) for row in _sent(connection, _INSERT_GROUPS, groups)}
    put = sqlite.insert(GROUPS).on_conflict_do_nothing()
    return {(row["vm_id"], row["name"], row["place"]) for row in groups if connection.execute(put, row).rowcount}


def take_back(session: Session, host_id: str, request: Request) -> None:
    """Undo what one claim added in this very transaction."""
    added = {"vcpus": request.vcpus, "memory_mib": request.memory_mib, "disk_gib": request.disk_gib}
    give_room_back(session, host_id, **added)


def _sent(connection: Connection, statement: str, rows: Sequence[Values]) -> Sequence[Any]:
    return connection.exec_driver_sql(statement, {"rows": dumps(rows)}).all()


def _row(rise: Rise) -> Values:
    return {
        "id": rise.host.id,
        "state": rise.host.state,
        "vcpus": rise.host.vcpus,
        "memory_mib": rise.host.memory_mib,
        "disk_gib": rise.host.disk_gib,
        "more_vcpus": rise.vcpus,
        "more_memory_mib": rise.memory_mib,
        "more_disk_gib": rise.disk_gib,
        "most_vcpus": rise.limits.vcpus,
        "most_memory_mib": rise.limits.memory_mib,
        "most_disk_gib": rise.limits.disk_gib,
        "claims": rise.claims,
    }


_RAISE_ONE = """
UPDATE hosts SET
  used_vcpus = used_vcpus + :more_vcpus, limit_vcpus = :most_vcpus,
  used_memory_mib = used_memory_mib + :more_memory_mib, limit_memory_mib = :most_memory_mib,
  used_disk_gib = used_disk_gib + :more_disk_gib, limit_disk_gib = :most_disk_gib,
  generation = generation + :claims
WHERE id = :id AND state = :state AND vcpus = :vcpus AND memory_mib = :memory_mib AND disk_gib = :disk_gib
  AND used_vcpus + :more_vcpus <= :most_vcpus
  AND used_memory_mib + :more_memory_mib <= :most_memory_mib
  AND used_disk_gib + :more_disk_gib <= :most_disk_gib
"""


def _raised(connection: Connection, rise: Rise) -> bool:
    return connection.exec_driver_sql(_RAISE_ONE, _row(rise)).rowcount == 1
