# SPDX-License-Identifier: Apache-2.0
"""From a row of the outbox to the broker: bells as they are, commands signed, with the URLs in them opened.

What commits rings for itself, at once, from a thread (Ringer). The conductor's relay is the safety net: it sends
what is still in the outbox after a moment, because the ringing process died, or the broker was away. A row sent
twice costs a look at a job, or a command that the host knows already.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.common.contracts.codec import load
from services.common.contracts.commands import Artifact, Command
from services.common.contracts.topics import BELL
from services.common.runtime.bus import BROKER_AWAY, Publisher
from services.common.runtime.failpoints import hit
from services.common.runtime.going_on import going_on
from services.common.runtime.keys import Keys
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import RELAYED
from services.common.runtime.signing import sign_command, sign_url

log = get_logger(__name__)
Row = Mapping[str, Any]  # id, kind, target, payload


class UnreadableRow(Exception):
    """A row that nobody will ever be able to send."""


# Rows that were confirmed are forgotten together, once nothing more is to be sent for this long.
QUIET_S = 0.03
MOST_WAITING = 10_000
IN_ONE_GO = 128


class Dispatcher:
    """Sends rows over one publisher; not for several threads."""

    def __init__(self, publisher: Publisher, keys_dir: Path):
        self._publisher = publisher
        self._keys_dir = keys_dir
        self._pem = ""

    def send(self, row: Row) -> None:
        """Returns once the broker has it; raises one of BROKER_AWAY, or UnreadableRow."""
        self._post(row, [])
        self._publisher.settle()
        hit("relay.after-publish")

    def send_all(self, rows: Sequence[Row]) -> list[int]:
        """Send these in one go; the ids of those that the broker has. What is wrong with the others is logged."""
        confirmed: list[int] = []
        try:
            for row in rows:
                try:
                    self._post(row, confirmed)
                except UnreadableRow as error:
                    log.error("an unreadable row is left to the relay, which drops it", reason=str(error))
            self._publisher.settle()
        except BROKER_AWAY as error:
            log.warning("not rung; the relay will", rows=len(rows) - len(confirmed), reason=str(error))
        hit("relay.after-publish")
        return confirmed

    def _post(self, row: Row, confirmed: list[int]) -> None:
        hit("relay.before-publish")
        kind, payload = row["kind"], row["payload"]

        def had() -> None:
            RELAYED.labels(kind).inc()
            confirmed.append(row["id"])

        if kind == BELL:
            self._publisher.post_bell(row["target"], payload["task"], payload["job"], had)
        else:
            command = self._opened(_command(row))
            self._publisher.post_command(command.host, sign_command(command, self._private_pem()), had)

    def _private_pem(self) -> str:
        if not self._pem:
            self._pem = Keys.load(self._keys_dir).command_private_pem
        return self._pem

    def _opened(self, command: Command) -> Command:
        if command.card is not None:
            command = replace(command, card=replace(command.card, seed=self._open(command.card.seed)))
        plan = command.plan
        if plan is None:
            return command
        disks = tuple(replace(d, base=self._open(d.base), backing=self._open(d.backing)) for d in plan.disks)
        opened = replace(plan, disks=disks, kernel=self._open(plan.kernel), initrd=self._open(plan.initrd))
        return replace(command, plan=opened)

    def _open(self, artifact: Artifact | None) -> Artifact | None:
        if artifact is None or not artifact.url:
            return artifact
        return replace(artifact, url=sign_url(artifact.url, self._private_pem()))


def _command(row: Row) -> Command:
    try:
        return load(Command, row["payload"])
    except ValueError as error:
        raise UnreadableRow(f"row {row['id']} for {row['target']}: {error}") from error


class Ringer:
    """Sends what this process has just committed, from a thread of its own that starts with the first row."""

    def __init__(self, dispatcher: Dispatcher, forget: Callable[[Sequence[int]], None]):
        self._dispatcher = dispatcher
        self._forget = forget
        self._rows: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ring(self, rows: Sequence[Row]) -> None:
        """Have these sent; never blocks. Where too much waits already they are left to the relay."""
        if self._rows.qsize() > MOST_WAITING:
            return
        for row in rows:
            self._rows.put(row)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            sent = self._dispatcher.send_all(self._waiting(self._rows.get()))
            while True:
                try:
                    first = self._rows.get(timeout=QUIET_S if sent else 0)
                except queue.Empty:
                    break
                sent += self._dispatcher.send_all(self._waiting(first))
            if sent:
                self._let_go(sent)

    def _waiting(self, first: Row) -> list[Row]:
        """This row and those that lie behind it already, up to as many as are sent in one go."""
        rows = [first]
        while len(rows) < IN_ONE_GO and not self._rows.empty():
            rows.append(self._rows.get())
        return rows

    def _let_go(self, ids: list[int]) -> None:
        # The relay sends again what stays in the table, harmlessly.
        with going_on(log, "sent rows not forgotten"):
            self._forget(ids)
