# SPDX-License-Identifier: Apache-2.0
"""Questions and answers over Redis, for what only reads: nothing is promised, nothing is kept.

(An order for an image is kept, as a row that the question names: docs/adr/0013.)

A question lives no longer than somebody waits for its answer, so a service that was away answers no stale ones.
Several processes may answer the same topic; each question is answered once.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

import redis

from services.common.contracts.errors import InnkeeperError, TryAgain
from services.common.contracts.ids import new_id
from services.common.contracts.topics import answer_list, question_key, question_list
from services.common.runtime.log import get_logger

log = get_logger(__name__)
JsonDict = dict[str, Any]
GONE = (redis.RedisError, OSError)
_LISTEN_S = 1.0
_LONGEST_QUEUE = 1000
_GRACE_S = 5.0


def ask(redis_url: str, topic: str, payload: JsonDict, timeout_s: float = 5.0, work_s: float = 0.0) -> JsonDict:
    """The answer: what the handler returned, or {"error": {code, status, title, detail, errors}} if it refused.

    Raises TryAgain where nobody answers within `timeout_s`, or Redis is away. With `work_s` it is enough that somebody
    takes the question in that time: the answer may be so much later.
    """
    question = new_id()
    # Outlives the wait where it matters whether somebody took it or it merely ran out.
    ttl_ms = max(1, int((timeout_s + (_GRACE_S if work_s else 0)) * 1000))
    try:
        with _connect(redis_url, max(timeout_s, work_s)) as client:
            with client.pipeline(transaction=True) as pipe:
                pipe.set(question_key(topic, question), json.dumps(payload), px=ttl_ms)
                pipe.lpush(question_list(topic), question)
                pipe.ltrim(question_list(topic), 0, _LONGEST_QUEUE - 1)
                pipe.pexpire(question_list(topic), ttl_ms)
                pipe.execute()
            answer: Any = client.brpop([answer_list(topic, question)], timeout=timeout_s)
            if answer is None and work_s and client.getdel(question_key(topic, question)) is None:
                timeout_s = work_s
                answer = client.brpop([answer_list(topic, question)], timeout=work_s)
    except GONE as error:
        raise TryAgain(f"{topic}: Redis does not answer ({type(error).__name__}); try again") from error
    if answer is None:
        raise TryAgain(f"{topic}: nobody answered within {timeout_s:g} s; is the service running?")
    found: JsonDict = json.loads(answer[1])
    return found


class Answerer:
    """Answers a topic's questions from one thread until `stop`; outlives a Redis that goes away."""

    def __init__(self, redis_url: str, topic: str, handler: Callable[[JsonDict], JsonDict]):
        self._topic = topic
        self._handler = handler
        self._client = _connect(redis_url, _LISTEN_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"answers-{topic}", daemon=True)

    def start(self) -> "Answerer":
        """Begin to answer."""
        self._thread.start()
        return self

    def leave(self) -> None:
        """Answer what is in hand, then no more; nobody waits. Of several, ask all before the first is waited for."""
        self._ended.set()

    def stop(self) -> None:
        """Leave, and return when it is so."""
        self.leave()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._once()
            except GONE as error:
                log.warning("redis is away; no questions can be answered", topic=self._topic, reason=str(error))
                self._ended.wait(_LISTEN_S)

    def _once(self) -> None:
        taken: Any = self._client.brpop([question_list(self._topic)], timeout=_LISTEN_S)
        if taken is None:
            return
        question = taken[1]
        payload: Any = self._client.getdel(question_key(self._topic, question))
        if payload is None:
            return  # whoever asked has gone
        answer = self._answer(payload)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.lpush(answer_list(self._topic, question), answer)
            pipe.expire(answer_list(self._topic, question), 10)
            pipe.execute()

    def _answer(self, payload: str) -> str:
        try:
            return json.dumps(self._handler(json.loads(payload)))
        except InnkeeperError as error:
            return json.dumps({"error": _told(error)})
        except Exception:
            # One bad question must not end the thread that answers all others.
            log.exception("a question could not be answered", topic=self._topic)
            unforeseen = InnkeeperError("the question could not be answered; the service's log says why")
            return json.dumps({"error": _told(unforeseen)})


def _told(error: InnkeeperError) -> JsonDict:
    errors = [{"pointer": p.pointer, "detail": p.detail, "fix": p.fix} for p in error.problems]
    return {
        "code": error.code,
        "status": error.status,
        "title": error.title,
        "detail": error.detail,
        "errors": errors,
    }


def _connect(redis_url: str, block_s: float) -> "redis.Redis":
    # A blocking read may take block_s; the socket must wait a little longer than that.
    return redis.Redis.from_url(
        redis_url, decode_responses=True, socket_connect_timeout=2, socket_timeout=block_s + 2, health_check_interval=30
    )
