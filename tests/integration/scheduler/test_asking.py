# SPDX-License-Identifier: Apache-2.0
"""Questions over a real Redis, and the explanation that the scheduler answers with."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from deploy.local.servers import Redis
from services.common.contracts.codec import dump, load
from services.common.contracts.errors import NotFound, TryAgain
from services.common.contracts.masking import masked_host
from services.common.contracts.placement import Decision
from services.common.runtime.ask import Answerer, ask
from services.common.store.database import Database
from services.scheduler.explain import TOPIC, Explainer
from services.scheduler.lookout import Lookout
from tests.support.inn import NOW, Inn
from tests.support.placing import SHELF, a_request


@pytest.fixture
def explaining(redis_server: Redis, database: Database) -> Iterator[Inn]:
    explainer = Explainer(Lookout(database, clock=lambda: NOW + 1), SHELF)
    answerer = Answerer(redis_server.url, TOPIC, explainer.answer).start()
    yield Inn(database)
    answerer.stop()


def question(**extra: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dump(a_request())
    return {**plain, **extra}


def test_explain_decides_and_claims_nothing(explaining: Inn, redis_server: Redis) -> None:
    host = explaining.add_host("h1")
    decision = load(Decision, ask(redis_server.url, TOPIC, question()))
    assert decision.host == host
    assert explaining.used() == {host: (0, 0, 0)}


def test_why_not_tells_about_the_named_host_first(explaining: Inn, redis_server: Redis) -> None:
    for n in range(8):
        explaining.add_host(f"h{n}", vcpus=0)
    explaining.add_host("zz", memory_mib=512, vcpus=0, state="maintenance")
    decision = load(Decision, ask(redis_server.url, TOPIC, question(why_not="zz")))
    assert decision.misses[0].reason.startswith("zz is maintenance, not up, lacks 1 vCPUs and 1024 MiB of memory")


def test_why_not_of_a_host_that_was_merely_worse_tells_its_score(explaining: Inn, redis_server: Redis) -> None:
    for n in range(8):
        explaining.add_host(f"h{n}")
    explaining.add_host("last", used_vcpus=16, used_memory_mib=4096)
    decision = load(Decision, ask(redis_server.url, TOPIC, question(why_not="last")))
    assert decision.candidates[-1].host == "id-last"
    assert decision.candidates[-1].score < decision.candidates[0].score


def test_masked_answers_hold_no_name_of_a_host(explaining: Inn, redis_server: Redis) -> None:
    explaining.add_host("secret", vcpus=0)
    host = explaining.add_host("hidden")
    answer = ask(redis_server.url, TOPIC, question(mask=True))
    assert answer["host"] == masked_host(host)
    assert "secret" not in str(answer)
    assert "hidden" not in str(answer)


@pytest.mark.parametrize(
    ("extra", "code", "status"),
    [({"why_not": "nobody"}, "not-found", 404), ({"policy": "best"}, "invalid", 422), ({"colour": 1}, "invalid", 422)],
)
def test_bad_questions_are_answered_with_an_error(
    explaining: Inn, redis_server: Redis, extra: dict[str, Any], code: str, status: int
) -> None:
    error = ask(redis_server.url, TOPIC, question(**extra))["error"]
    assert (error["code"], error["status"]) == (code, status)
    assert error["errors"][0]["fix"]


def test_silence_is_told_and_leaves_nothing_behind(redis_server: Redis) -> None:
    with pytest.raises(TryAgain, match="nobody answered within"):
        ask(redis_server.url, "silence", {}, timeout_s=0.2)
    client = redis.Redis.from_url(redis_server.url)
    assert client.keys("innkeeper:ask:silence*") == []
    client.close()


def test_slow_work_is_waited_for_once_somebody_took_the_question(redis_server: Redis) -> None:
    begun, end = threading.Event(), threading.Event()

    def slow(_asked: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        assert end.wait(20)
        return {"done": True}

    answerer = Answerer(redis_server.url, "slow", slow).start()
    answers: list[dict[str, Any]] = []
    first = threading.Thread(target=lambda: answers.append(ask(redis_server.url, "slow", {}, 0.3, work_s=20)))
    first.start()
    assert begun.wait(10)
    with pytest.raises(TryAgain, match="nobody answered within"):  # whoever answers is busy with the first
        ask(redis_server.url, "slow", {}, 0.3, work_s=20)
    end.set()
    first.join()
    answerer.stop()
    assert answers == [{"done": True}]


def test_a_redis_that_is_away_is_told() -> None:
    with pytest.raises(TryAgain, match="Redis does not answer"):
        ask("redis://127.0.0.1:1/0", TOPIC, {}, timeout_s=0.2)


def test_questions_of_many_are_answered_once_each_by_several(redis_server: Redis) -> None:
    answered: list[int] = []

    def square(payload: dict[str, Any]) -> dict[str, Any]:
        answered.append(payload["n"])
        if payload["n"] == 7:
            raise NotFound("no seven")
        if payload["n"] == 8:
            raise RuntimeError("a fault of ours")
        return {"square": payload["n"] ** 2}

    results: dict[int, dict[str, Any]] = {}
    answerers = [Answerer(redis_server.url, "square", square).start() for _ in range(2)]

    def one(n: int) -> None:
        results[n] = ask(redis_server.url, "square", {"n": n})

    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answerer in answerers:
        answerer.stop()
    assert sorted(answered) == list(range(20))
    assert (results[3], results[7]["error"]["code"], results[8]["error"]["code"]) == (
        {"square": 9},
        "not-found",
        "internal",
    )


def test_an_answer_that_is_no_json_is_told_and_ends_nothing(redis_server: Redis) -> None:
    answerer = Answerer(redis_server.url, "odd", lambda asked: {"set": {1}} if asked["odd"] else {"set": [1]}).start()
    assert ask(redis_server.url, "odd", {"odd": True})["error"]["code"] == "internal"
    assert ask(redis_server.url, "odd", {"odd": False}) == {"set": [1]}
    answerer.stop()
