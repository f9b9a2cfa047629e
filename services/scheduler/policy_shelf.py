# SPDX-License-Identifier: Apache-2.0
"""The policies of the database, as a running scheduler uses them: it looks at the pointer every second.

What can't be used never takes effect: the policy that ran goes on, and the trouble is told by the log, by a metric and
by the activation itself, which the API shows.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from services.common.contracts.errors import Invalid, NotFound, Problem
from services.common.contracts.placement import Request
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.policies import Activation, StoredPolicy, current
from services.common.store.projects import Project
from services.scheduler.canary import tries
from services.scheduler.matching import check_side_by_side
from services.scheduler.matching import select as select_matching
from services.scheduler.metrics import POLICY_PROBLEM, POLICY_SEQ
from services.scheduler.policy import Policy
from services.scheduler.policy_file import Shelf, read_policy
from services.scheduler.policy_start import settle
from services.scheduler.policy_texts import texts_of

log = get_logger(__name__)
EVERY_S = 1.0
Seen = tuple[int, int]  # the pointer's number, and how many versions there are
_POINTER = select(
    select(func.max(Activation.seq)).scalar_subquery(), select(func.count()).select_from(StoredPolicy).scalar_subquery()
)


@dataclass(frozen=True)
class Standing:
    """What decides from one move of the pointer to the next."""

    seq: int
    active: Policy
    canary: Policy | None = None
    percent: float = 0.0
    beside: tuple[Policy, ...] = ()  # for the vms that they match


class PolicyShelf(Shelf):
    """A Shelf whose active policy is the database's; before the database answers it is the file's, or the default.

    `refresh` swaps everything at once, so that any thread may ask meanwhile.
    """

    def __init__(self, database: Database, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path)
        self._database = database
        self._path = path
        self._clock = clock
        self._settled = False
        self._seen: Seen = (0, 0)
        self._standing = Standing(0, self.active)
        self._read: dict[str, Policy] = {policy.sha256: policy for policy in (self.active, *self._by_name.values())}
        self._find = texts_of(database)
        self._projects: dict[str, str] = {}
        self._newest: dict[str, str] = {}  # "name" and "name@version" -> id
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policies", daemon=True)

    @property
    def standing(self) -> Standing:
        """What decides now."""
        return self._standing

    def start(self) -> "PolicyShelf":
        """Store what is shipped, look at the pointer, and keep looking. Raises Conflict as policy_start.settle."""
        try:
            self.refresh()
        except SQLAlchemyError as error:
            log.warning("the policies can't be looked up yet", reason=type(error).__name__, policy=self.active.name)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def get(self, name: str = "") -> Policy:
        """The version `name` names ("mine", "mine@3"), or the active one; raises Invalid that lists those there are.

        A name alone is the active version where that policy is active, else its newest.
        """
        if name in ("", self._standing.active.name):
            return self._standing.active
        if name not in self._newest:
            self.refresh()
        if name in self._newest:
            return self._stored(self._newest[name])
        return super().get(name)

    def chosen(self, request: Request, name: str = "") -> Policy:
        """The policy that decides for this request: named, a canary, a matching one, or the active one."""
        now = self._standing
        if name:
            return self.get(name)
        canary = now.canary
        if canary is None and not now.beside:
            return now.active
        named = replace(request, project=self._project(request.project))
        if canary is not None and _meant(canary, named) and tries(request.id, canary.sha256, now.percent):
            return canary
        return select_matching(now.beside, named) or now.active

    def would_stand(self, policy_id: str) -> None:
        """Raise Invalid where this version can't be used, or is for the same vms as another that is in force."""
        with self._database.read() as session:
            at = current(session)
        new = self._stored(policy_id)
        others = [self._stored(one) for one in at.beside] if at is not None else []
        check_side_by_side([new, *(other for other in others if other.name != new.name)])

    def _project(self, project_id: str) -> str:
        """What policies call the project: its name, as it was when the shelf last looked."""
        known = self._projects  # another thread may forget it meanwhile
        if project_id not in known:
            with self._database.read() as session:
                known = {row.id: row.name for row in session.execute(select(Project.id, Project.name))}
            self._projects = known
        return known.get(project_id, project_id)

    def refresh(self) -> None:
        """Look at the pointer, and use what it points to."""
        if not self._settled:
            settle(self._database, self._path, self._clock())
            self._settled = True
        self._projects = {}  # projects may be renamed
        with self._database.look() as connection:
            moves, versions = connection.execute(_POINTER).one()
        seen = (moves or 0, versions)
        if seen == self._seen:
            return
        with self._database.read() as session:
            rows = session.execute(
                select(StoredPolicy.id, StoredPolicy.name, StoredPolicy.version).order_by(StoredPolicy.version)
            ).all()
            at = current(session)
        self._newest = {key: row.id for row in rows for key in (row.name, f"{row.name}@{row.version}")}
        if at is not None and at.seq != self._standing.seq:
            self._take(at)
        self._seen = seen

    def _take(self, at: Activation) -> None:
        try:
            canary = self._stored(at.canary_id) if at.canary_id else None
            beside = tuple(self._stored(one) for one in at.beside)
            check_side_by_side(beside)
            new = Standing(at.seq, self._stored(at.policy_id), canary, at.canary_percent, beside)
        except (Invalid, NotFound) as error:
            log.error("the policy in force can't be used; the one that ran goes on", seq=at.seq, reason=error.detail)
            POLICY_PROBLEM.set(1)
            with self._database.write() as session:
                session.execute(update(Activation).where(Activation.seq == at.seq).values(problem=error.detail))
            return
        self._standing, self.active = new, new.active
        POLICY_PROBLEM.set(0)
        POLICY_SEQ.set(at.seq)
        log.info("policy in force", policy=new.active.name, version=new.active.version, seq=at.seq)

    def _stored(self, policy_id: str) -> Policy:
        with self._database.read() as session:
            row = session.get(StoredPolicy, policy_id)
        if row is None:
            raise NotFound(f"there is no policy {policy_id}")
        if row.sha256 not in self._read:
            policy = read_policy(row.text, f"{row.name} version {row.version}", self._find)
            if policy.sha256 != row.sha256:
                detail = f"the text stored as {row.name!r} version {row.version} is not the one that was stored first"
                raise Invalid(detail, [Problem("/", detail, "restore the row, or roll back")])
            self._read = {**self._read, row.sha256: policy}
        return self._read[row.sha256]

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            with going_on(log, "the policies could not be looked up", but=(SQLAlchemyError,)):
                self._look()

    def _look(self) -> None:
        try:
            self.refresh()
        except SQLAlchemyError as error:
            log.warning("the policies can't be looked up now", reason=type(error).__name__)


def _meant(canary: Policy, request: Request) -> bool:
    return not canary.match.given or canary.match.fits(request)
