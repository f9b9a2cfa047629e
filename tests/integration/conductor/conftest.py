# SPDX-License-Identifier: Apache-2.0
"""A vm whose job waits for its guest, on a real database of each kind and a real Redis; nobody else runs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from deploy.local.servers import Redis
from services.common.contracts import advance
from services.common.contracts.codec import dump, load
from services.common.contracts.commands import Command, Verb
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.evidence import told
from services.common.contracts.flow import Queue
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, Park
from services.common.contracts.network import Nic
from services.common.contracts.states import HostState, VmState
from services.common.contracts.topics import COMMAND
from services.common.contracts.vm import VmSpec
from services.common.runtime.feed import Feed
from services.common.store.database import Database
from services.common.store.jobs import Job, JobEvent
from services.common.store.journal import SqlJournal
from services.common.store.models import Evidence, Host, Network, Outbox, Project, Vm
from services.common.store.opening import Opening, open_job
from services.common.store.views import view_of
from services.conductor.guest_waits import GuestWaits
from services.conductor.guests import Guests
from services.conductor.reconciler import Reconciler
from services.conductor.sweeper import Sweeper
from services.conductor.witness import Witness

HOST = "host-1"
MAC = "52:54:00:00:00:01"


class Room:
    """One vm, its job, and the conductor's parts that listen to it."""

    def __init__(self, database: Database, feed: Feed):
        self.database = database
        self.feed = feed
        self.journal = SqlJournal(database)
        self.guests = Guests(database, self.journal, feed)
        self.waits = GuestWaits(database, self.journal)
        self.reconciler = Reconciler(database, self.journal, 60)
        self.witness = Witness(database, self.journal)
        self.sweeper = Sweeper(database, self.journal, self.witness)
        self.vm_id, self.job_id = "", ""

    def check_in(self, install: bool = True, os: str = "mini") -> "Room":
        """A vm that was just started: its job waits for the installer, or for the boot."""
        self.vm_id, self.job_id = self._opened(install, os)
        self._worked(Queue.SCHEDULER, Done({"host": HOST}))
        self._worked(Queue.IMAGEBUILDER, Done({"disks": []}))
        deploying = self.journal.claim(self.job_id, Queue.WORKER, "w", 30)
        assert deploying is not None
        assert self.journal.apply(deploying, advance.parked(deploying, Park(), time.time(), 60))
        with self.database.write() as session:
            session.execute(update(Vm).where(Vm.id == self.vm_id).values(host_id=HOST))
        self.host_is(HostState.UP)
        for _ in ("deploy", "start"):
            assert self.journal.apply(self.view(), advance.finished(self.view(), Done(), time.time()))
        return self

    def _opened(self, install: bool, os: str) -> tuple[str, str]:
        now = time.time()
        with self.database.write() as session:
            project = session.scalars(select(Project.id)).one()
            network = session.scalars(select(Network.id).where(Network.name == "lab")).one()
            spec = VmSpec("web", "web", os, 1, 256, 1, (Nic(MAC, network, addresses=("10.78.0.9/24",)),))
            vm = Vm(
                id=new_id(),
                project_id=project,
                name=f"web-{uuid4().hex[:6]}",
                state=str(VmState.PROVISIONING),
                os=os,
                flavor="tiny",
                spec=dump(spec),
                created_at=now,
                updated_at=now,
            )
            session.add(vm)
            session.flush()
            return vm.id, open_job(session, Opening("vm.create", project, params={"install": install}), vm).id

    def _worked(self, queue: str, done: Done) -> None:
        claimed = self.journal.claim(self.job_id, queue, "w", 30)
        assert claimed is not None
        assert self.journal.apply(claimed, advance.finished(claimed, done))

    def says(self, type_: str, host: str = HOST, **fields: Any) -> None:
        """The guest says it, and a host has heard it."""
        event = AgentEvent(
            new_id(), AgentEventKind.GUEST, host, time.time(), self.vm_id, data={"type": type_, **fields}
        )
        self.guests.record(event)

    def reports(self, *addresses: str, boot_id: str = "b1") -> None:
        """The guest reports one link with these addresses."""
        link = {"name": "eth0", "mac": MAC, "mtu": 1500, "up": True, "addresses": list(addresses)}
        self.says("report", boot_id=boot_id, hostname="web", interfaces=[link], routes=[], dns=[])

    def host_is(self, state: HostState) -> None:
        """The vm's host as the platform knows it."""
        now = time.time()
        with self.database.write() as session:
            session.merge(
                Host(
                    id=HOST,
                    name="alpha",
                    driver="fake",
                    state=str(state),
                    heartbeat_at=now,
                    created_at=now,
                    updated_at=now,
                )
            )

    def asked(self) -> list[Command]:
        """The looks that hosts were asked for."""
        with self.database.read() as session:
            rows = session.scalars(select(Outbox).where(Outbox.kind == COMMAND).order_by(Outbox.id))
            commands = [load(Command, row.payload) for row in rows]
        return [command for command in commands if command.verb == Verb.EVIDENCE]

    def shows(self, console: str, screenshot: bytes = b"", host: str = HOST, note: str = "") -> None:
        """The host answers the latest question."""
        command = self.asked()[-1]
        data = told(console, screenshot, note)
        event = AgentEvent(
            new_id(), AgentEventKind.EVIDENCE, host, time.time(), self.vm_id, command=command.id, data=data
        )
        self.witness.record(event)

    def kept(self) -> list[Evidence]:
        """All evidence of the vm, oldest first."""
        with self.database.read() as session:
            mine = select(Evidence).where(Evidence.vm_id == self.vm_id).order_by(Evidence.asked_at)
            return list(session.scalars(mine))

    def turns(self, power: str, host: str = HOST, **more: str) -> None:
        """The vm's host has seen its power change."""
        told = {"power": power, **more}
        event = AgentEvent(new_id(), AgentEventKind.LIFECYCLE, host, time.time(), self.vm_id, data=told)
        self.reconciler.lifecycle(event)
        self.waits.power_seen(event)

    def job(self) -> Job:
        """The job's row now."""
        with self.database.read() as session:
            return session.get_one(Job, self.job_id)

    def view(self) -> Any:
        """The job as the engine sees it."""
        with self.database.read() as session:
            return view_of(session, session.get_one(Job, self.job_id), "platform")

    def told(self, kind: str) -> list[tuple[str, Any]]:
        """The journal's events of a kind: text and data."""
        mine = select(JobEvent).where(JobEvent.job_id == self.job_id, JobEvent.kind == kind).order_by(JobEvent.seq)
        with self.database.read() as session:
            return [(event.text, event.data) for event in session.scalars(mine)]

    def change(self, **values: Any) -> None:
        """Set columns of the job, as time or somebody else would."""
        with self.database.write() as session:
            session.execute(update(Job).where(Job.id == self.job_id).values(**values))


@pytest.fixture(params=["sqlite", "postgres"])
def room(request: pytest.FixtureRequest, tmp_path: Path, redis_server: Redis) -> Iterator[Room]:
    database = Database(request.getfixturevalue(f"{request.param}_installations").new(tmp_path))
    yield Room(database, Feed(redis_server.url))
    database.close()
