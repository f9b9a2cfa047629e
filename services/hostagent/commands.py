# SPDX-License-Identifier: Apache-2.0
"""From a token on the queue to an event on the way up: verified, fenced, done once at a time a vm, and answered."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from services.common.contracts.commands import LOOKS, Command
from services.common.contracts.errors import HostFailed, InnkeeperError
from services.common.runtime import tracing
from services.common.runtime.failpoints import hit
from services.common.runtime.log import bind, get_logger
from services.hostagent import metrics
from services.hostagent.hands import Hands
from services.hostagent.lanes import Lanes
from services.hostagent.ledger import Ledger
from services.hostagent.reports import Reports
from services.hostagent.verbs import VERBS

log = get_logger(__name__)
Verify = Callable[[str], Command]  # raises ValueError
WIDTH = 32  # most of them wait: for a download, for a guest to shut down, for their turn at the hypervisor


class Commands:
    """Takes tokens, does what they say, reports each result. A command in hand is not taken twice."""

    def __init__(self, verify: Verify, ledger: Ledger, reports: Reports, done: Callable[[Command], None]) -> None:
        self._verify = verify
        self._ledger = ledger
        self._reports = reports
        self._done = done  # told after the report of a success
        self._lanes = Lanes(WIDTH)
        self._lock = threading.Lock()
        self._in_hand: set[str] = set()
        self._stopping = threading.Event()
        self._hands: Hands | None = None

    def use(self, hands: Hands) -> None:
        """What the verbs shall work with; before the first token."""
        self._hands = hands

    def take(self, token: str) -> None:
        """Accept a token: quick, and never raises. What isn't a valid command for this host is dropped and counted."""
        try:
            command = self._verify(token)
        except ValueError as error:
            metrics.REJECTED.inc()
            log.warning("not a valid command for this host", reason=str(error))
            return
        self._accept(command)

    def _accept(self, command: Command) -> None:
        with self._lock:
            if command.id in self._in_hand or self._stopping.is_set():
                return
            self._in_hand.add(command.id)
        # A look waits for nothing, and nothing gives up its wait for a look.
        lane = command.id if command.verb in LOOKS else command.vm
        self._lanes.put(lane, partial(self._carry_out, command))

    def yields(self, command: Command) -> bool:
        """Whether a command that only waits should make room: another one for its vm is due, or we are to end."""
        return self._stopping.is_set() or self._lanes.waiting(command.vm) > 0

    def drain(self, timeout_s: float) -> bool:
        """Take nothing more and finish what is in hand; False when the time was too short (it is sent again)."""
        self._stopping.set()
        return self._lanes.drain(timeout_s)

    def _carry_out(self, command: Command) -> None:
        began = time.monotonic()
        ids = {"vm": command.vm, "step": command.step, "verb": str(command.verb), "host": command.host}
        with (
            bind(vm=command.vm, job=command.job, step=command.step),
            tracing.span(f"{command.verb} at host", command.job, **ids) as told,
        ):
            try:
                outcome, tell = self._outcome(command)
            finally:
                # Before the report: who has heard the answer may send the command again.
                with self._lock:
                    self._in_hand.discard(command.id)
            following = command.following() if outcome == "done" else None
            if following is not None:
                self._accept(following)
            self._acted(command.vm)
            tell()
            seconds = time.monotonic() - began
            told.set(outcome=outcome)
            if outcome == "failed":
                told.failed(outcome)
            metrics.COMMANDS.labels(command.verb, outcome).inc()
            metrics.SECONDS.labels(command.verb).observe(seconds)
            log.info("command carried out", verb=command.verb, outcome=outcome, seconds=round(seconds, 3))

    def _outcome(self, command: Command) -> tuple[str, Callable[[], None]]:
        """What became of the command, and how to report it."""
        if self._hands is None:
            raise RuntimeError("a command came before the agent was wired")
        reason = "" if command.verb in LOOKS else self._ledger.admit(command)
        if reason:
            return "refused", partial(self._reports.refused, command, reason)
        try:
            facts = VERBS[command.verb](self._hands, command)
            hit(f"agent.after.{command.verb}")
        except InnkeeperError as error:
            return self._failure(command, error)
        except Exception as error:
            # Whatever a verb raises, who sent the command gets an answer.
            log.exception("a command broke off", verb=command.verb)
            return self._failure(command, HostFailed(f"{command.verb}: {type(error).__name__}: {error}"))
        return "done", partial(self._tell_done, command, facts)

    def _acted(self, vm: str) -> None:
        if self._hands is not None:
            self._hands.board.acted(vm)

    def _tell_done(self, command: Command, facts: dict[str, Any]) -> None:
        hit("agent.before-report")
        self._reports.done(command, facts)
        self._done(command)

    def _failure(self, command: Command, error: InnkeeperError) -> tuple[str, Callable[[], None]]:
        if self._stopping.is_set() and error.again:
            return "dropped", _say_nothing  # the next agent gets it again
        log.warning("command failed", verb=command.verb, code=error.code, detail=error.detail)
        return "failed", partial(self._reports.failed, command, error)


def _say_nothing() -> None:
    """No report."""
