# SPDX-License-Identifier: Apache-2.0
"""vSphere stops a vm that it has a question about, goes on calling it powered on, and waits for somebody's choice."""

from dataclasses import dataclass
from typing import Any

PATH = "runtime.question"
# The one that is asked when a datastore is full ("msg.hbacommon.outofspace:There is no more space for virtual disk
# ..."): the vendor's messages begin with their ids. The keys of its two choices are as scripts of vSphere's users have
# them; they count only where the labels say neither, as in another language.
_FULL, _FULL_RETRY, _FULL_CANCEL = "msg.hbacommon.outofspace", "0", "1"


@dataclass(frozen=True)
class Question:
    """What is asked, and what may be chosen: keys with their labels; `default` is a key."""

    id: str
    text: str
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""

    @property
    def is_full_disk(self) -> bool:
        """Whether it is asked since a datastore has no room left."""
        return self.text.startswith(_FULL)


def read(info: Any) -> Question | None:
    """The question in a vm's `runtime.question`; None where nothing is asked."""
    if info is None:
        return None
    told = info.choice.choiceInfo if info.choice is not None else ()
    choices = tuple((str(choice.key), f"{choice.label or ''} {choice.summary or ''}".strip()) for choice in told)
    index = (info.choice.defaultIndex or 0) if choices else 0
    default = choices[index][0] if 0 <= index < len(choices) else ""
    ids = [f"{message.id}:" for message in info.message or () if message.id and message.id not in info.text]
    return Question(str(info.id), f"{''.join(ids[:1])}{info.text}", choices, default)


def why(question: Question) -> str:
    """Why the vm stands still, and what lets it go on, for people."""
    if question.is_full_disk:
        return f"there is no room left where its disk lies ({question.text}); make room, then resume it"
    offered = ", ".join(label for _key, label in question.choices) or "(it doesn't say what)"
    return f"vSphere asks ({question.text}) and offers {offered}; answer it in vSphere"


def to_go_on(question: Question) -> str | None:
    """The key of the answer by which it goes on as it was; None where only a person can say which that is."""
    return _named(question, "retry") or (_FULL_RETRY if question.is_full_disk else None)


def to_end(question: Question) -> str | None:
    """The key of the answer for a vm that is to be off anyway; None where there is none to choose."""
    return _named(question, "cancel") or (_FULL_CANCEL if question.is_full_disk else question.default or None)


def _named(question: Question, word: str) -> str | None:
    return next((key for key, label in question.choices if word in label.lower()), None)
