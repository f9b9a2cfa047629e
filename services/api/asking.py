# SPDX-License-Identifier: Apache-2.0
"""Questions to another service: its answer, or the error that it refused with, raised here."""

from typing import Any

from services.api.parts import Parts
from services.api.refusal import refusal
from services.common.runtime.ask import ask

JsonDict = dict[str, Any]


def answer_to(parts: Parts, topic: str, question: JsonDict, work_s: float = 0.0) -> JsonDict:
    """What the service of that topic answers; `work_s` as `ask` has it. Raises its refusal, and as `said_to`."""
    found = said_to(parts, topic, question, work_s)
    if "error" in found:
        raise refusal(found["error"])
    return found


def said_to(parts: Parts, topic: str, question: JsonDict, work_s: float = 0.0) -> JsonDict:
    """The answer as it came, a refusal too. Raises TryAgain where nobody answers within INNKEEPER_ANSWER_S."""
    return ask(parts.settings.redis_url, topic, question, patience_s(parts), work_s)


def patience_s(parts: Parts) -> float:
    """How long somebody who calls the api is kept waiting for another service."""
    return parts.settings.answer_s
