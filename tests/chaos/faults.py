# SPDX-License-Identifier: Apache-2.0
"""The faults: each hurts the running stack once and mends it, as a supervisor or an operator would."""

import random
import threading
import time
from collections.abc import Callable, Mapping

import httpx
import redis

from deploy.local.servers.base import Server
from tests.support.stack import Stack

Fault = Callable[[Stack, random.Random], None]
LEASE_S = 3.0


def _killed(name: str) -> Fault:
    def fault(stack: Stack, dice: random.Random) -> None:
        process = stack.processes[name]
        process.kill()
        time.sleep(dice.uniform(0.0, 1.0))
        process.start()

    return fault


def _paused(name: str) -> Fault:
    def fault(stack: Stack, dice: random.Random) -> None:
        process = stack.processes[name]
        process.pause()
        time.sleep(LEASE_S + dice.uniform(0.5, 1.5))  # longer than a lease: somebody else takes over meanwhile
        process.go_on()

    return fault


def _agents(stack: Stack, dice: random.Random) -> None:
    name = dice.choice([n for n in stack.processes if n.startswith("agent-")])
    _killed(name)(stack, dice)


def _server(pick: Callable[[Stack], Server], wipe: bool = False) -> Fault:
    def fault(stack: Stack, dice: random.Random) -> None:
        server = pick(stack)
        server.kill()
        if wipe:
            server.wipe()
        time.sleep(dice.uniform(0.0, 0.5))
        server.start()

    return fault


def _flushed(stack: Stack, _dice: random.Random) -> None:
    client = redis.Redis.from_url(stack.redis.url)
    client.flushall()
    client.close()


def _rung_again(stack: Stack, _dice: random.Random) -> None:
    """Ring for every job there is, several times: late and doubled bells."""
    from services.common.contracts.flow import FLOWS, task_name
    from services.common.runtime.bus import BROKER_AWAY, Publisher

    publisher = Publisher(stack.rabbit.url)
    try:
        jobs = stack.http.get("/v1/jobs", params={"limit": 50}).json()["items"]
        for job in jobs:
            for step in FLOWS[job["kind"]].steps:
                publisher.ring(step.queue, task_name(step), job["id"])
    except (*BROKER_AWAY, httpx.HTTPError, KeyError, ValueError):
        return  # another fault is under way: this one just doesn't happen
    finally:
        publisher.close()


FAULTS: Mapping[str, Fault] = {
    "kill api": _killed("api"),
    "kill worker": _killed("worker"),
    "kill scheduler": _killed("scheduler"),
    "kill imagebuilder": _killed("imagebuilder"),
    "kill conductor": _killed("conductor"),
    "kill agent": _agents,
    "kill rabbitmq": _server(lambda s: s.rabbit),
    "kill redis": _server(lambda s: s.redis),
    "wipe rabbitmq": _server(lambda s: s.rabbit, wipe=True),
    "flush redis": _flushed,
    "pause worker": _paused("worker"),
    "pause conductor": _paused("conductor"),
    "double every bell": _rung_again,
}


class Tormentor:
    """Injects one fault after the other, in a thread of its own, and keeps what it did."""

    def __init__(self, stack: Stack, seed: int):
        self._stack = stack
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.done: list[str] = []

    def strike(self, number: int) -> threading.Thread:
        """Begin the n-th fault a moment from now; every kind has its turn."""
        names = sorted(FAULTS)
        name = names[number % len(names)]
        delay = self._dice.uniform(0.0, 1.2)
        thread = threading.Thread(target=self._strike, args=(name, delay), name=name)
        thread.start()
        return thread

    def _strike(self, name: str, delay: float) -> None:
        time.sleep(delay)
        with self._lock:  # one fault at a time: each shall be seen for itself
            FAULTS[name](self._stack, self._dice)
            self.done.append(name)
