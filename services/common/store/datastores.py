# SPDX-License-Identifier: Apache-2.0
"""Datastores of hosts, and the room that volumes hold on them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, case, delete, exists, select, true, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.datastores import Datastore, sound
from services.common.store.base import Base, Name, Word
from services.common.store.hosts import Host


class HostDatastore(Base):
    """A datastore of a host. `used_gib` is what claims and volumes hold there, changed only together with one of them.

    Nothing is promised twice here: no policy overcommits it. One that its agent tells no more has no size, and its row
    stays for as long as something lies there.
    """

    __tablename__ = "host_datastores"
    __table_args__ = (CheckConstraint("used_gib >= 0", name="used_not_negative"),)
    host_id: Mapped[str] = mapped_column(ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[Name] = mapped_column(primary_key=True)
    kind: Mapped[Word]
    size_gib: Mapped[int]
    grows: Mapped[bool] = mapped_column(default=True)
    used_gib: Mapped[int] = mapped_column(default=0)


def note_datastores(session: Session, host_id: str, told: Iterable[Datastore]) -> None:
    """The host has these, and no others. Its own row must be locked: whoever changes a datastore locks that first."""
    had = {row.name: row for row in datastores_of(session, [host_id])[host_id]}
    new = {one.name: one for one in sound(told)}
    for name, one in new.items():
        row = had.get(name)
        if row is None:
            row = HostDatastore(host_id=host_id, name=name, used_gib=0)
            session.add(row)
        row.kind, row.size_gib, row.grows = one.kind, one.size_gib, one.grows
    session.flush()
    gone = (HostDatastore.host_id == host_id, HostDatastore.name.not_in(list(new)) if new else true())
    session.execute(delete(HostDatastore).where(*gone, HostDatastore.used_gib == 0))
    session.execute(update(HostDatastore).where(*gone).values(size_gib=0))


def datastores_of(session: Session, host_ids: Collection[str] | None = None) -> Mapping[str, list[HostDatastore]]:
    """Those of these hosts, or of all, by the host's id and in the order of their names."""
    query = select(HostDatastore).order_by(HostDatastore.host_id, HostDatastore.name)
    if host_ids is not None:
        query = query.where(HostDatastore.host_id.in_(list(host_ids)))
    found: defaultdict[str, list[HostDatastore]] = defaultdict(list)
    # Somebody else may have changed what this session has read.
    for row in session.scalars(query.execution_options(populate_existing=True)):
        found[row.host_id].append(row)
    return found


def take_on_datastore(session: Session, host_id: str, name: str, gib: int) -> bool:
    """Hold this much there; False (and nothing done) where there isn't the room."""
    _touch(session, host_id)
    roomy = update(HostDatastore).where(*_one(host_id, name), HostDatastore.used_gib + gib <= HostDatastore.size_gib)
    taken = roomy.values(used_gib=HostDatastore.used_gib + gib).returning(HostDatastore.name)
    return session.execute(taken.execution_options(synchronize_session=False)).first() is not None


def give_back_on_datastore(session: Session, host_id: str, name: str, gib: int) -> None:
    """The datastore has this much more to give. `used_gib` goes down here and nowhere else, never below nothing."""
    _touch(session, host_id)
    # A broken count must not keep a volume from being deleted: stop at nothing.
    less = case((HostDatastore.used_gib > gib, HostDatastore.used_gib - gib), else_=0)
    here = update(HostDatastore).where(*_one(host_id, name)).values(used_gib=less)
    session.execute(here.execution_options(synchronize_session=False))
    nothing = (*_one(host_id, name), HostDatastore.size_gib == 0, HostDatastore.used_gib == 0)
    session.execute(delete(HostDatastore).where(*nothing).execution_options(synchronize_session=False))


def free_on_datastore(session: Session, host_id: str, name: str) -> int:
    """How much volumes may still claim there; nothing where there is no such datastore."""
    left = select(HostDatastore.size_gib - HostDatastore.used_gib).where(*_one(host_id, name))
    return session.scalar(left) or 0


NOTHING_LIES_THERE = ~exists().where(HostDatastore.host_id == Host.id, HostDatastore.used_gib > 0)


def _one(host_id: str, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return HostDatastore.host_id == host_id, HostDatastore.name == name


def _touch(session: Session, host_id: str) -> None:
    """Lock the host first, as claims do it, and have schedulers read it anew."""
    higher = update(Host).where(Host.id == host_id).values(generation=Host.generation + 1)
    session.execute(higher.execution_options(synchronize_session=False))
