# SPDX-License-Identifier: Apache-2.0
"""Sends errands to a process of their own, so that placing goes on beside them, and ends those that take too long."""

import json
import os
import subprocess
import sys
import threading
from typing import Any

from services.common.contracts.codec import dump
from services.common.contracts.errors import InnkeeperError, Invalid, Problem, TryAgain
from services.common.runtime.log import get_logger
from services.scheduler.simulation.errand import Errand
from services.scheduler.simulation.limits import SECONDS, too_long

log = get_logger(__name__)
JsonDict = dict[str, Any]
MODULE = "services.scheduler.simulation.alone"


class Apart:
    """One errand at a time, from one thread; `stop` may come from another."""

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._ended = False

    def run(self, errand: Errand) -> JsonDict:
        """The answer. Raises Invalid where the errand can't be done, or not in time; TryAgain where it was ended."""
        process = self._start()
        try:
            out, err = process.communicate(json.dumps(dump(errand)), timeout=self.seconds)
        except subprocess.TimeoutExpired as error:
            raise too_long(self.seconds) from error
        finally:
            self._end(process)
        if process.returncode:
            raise self._broken(process.returncode, err)
        found: JsonDict = json.loads(out)
        if "refused" in found:
            raise Invalid(found["refused"]["detail"], [Problem(**one) for one in found["refused"]["problems"]])
        answer: JsonDict = found["answer"]
        return answer

    @property
    def busy(self) -> bool:
        """Whether an errand is being done."""
        return self._running is not None

    def stop(self) -> None:
        """End what is being done, and do no more."""
        with self._lock:
            self._ended = True
            if self._running is not None:
                self._running.kill()

    def _start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", MODULE, str(int(self.seconds) + 10)]
        pipe = subprocess.PIPE
        with self._lock:
            if self._ended:
                raise TryAgain("the scheduler ends; try again")
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=_environment())
            self._running = process
        return process

    def _end(self, process: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._running = None
        process.kill()  # fine where it has ended
        process.communicate()

    def _broken(self, code: int, err: str) -> InnkeeperError:
        if code < 0:
            return TryAgain(f"the process that worked on it was ended (signal {-code}); try again, or ask for less")
        log.error("a simulation broke off", code=code, reason=err[-4000:])
        return InnkeeperError("the simulation broke off; the scheduler's log says why")


def _environment() -> dict[str, str]:
    """This process's, without the addresses of databases and brokers, which have passwords in them."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
