# SPDX-License-Identifier: Apache-2.0
"""The owner mark: one option in the extra configuration of every vm we make. It survives moves and renames.

Templates have a mark of another key, so that nobody takes one for a vm.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from services.hostagent.drivers.base import Owner

KEY = "innkeeper.owner"
TEMPLATE_KEY = "innkeeper.template"
_WHOLE, _DRAFT = "whole", "draft"


@dataclass(frozen=True)
class Made:
    """What a template was made of, for which platform; `whole`: all of it has arrived."""

    platform: str
    sha256: str
    whole: bool


def mark(owner: Owner) -> Any:
    """The option that says whose a vm is."""
    return vim.option.OptionValue(key=KEY, value=f"{owner.platform} {owner.vm} {owner.fence}")


def read_mark(options: Iterable[Any]) -> Owner | None:
    """Whose a vm with these options is; None where it has no mark of ours."""
    told = _told(options, KEY)
    return parse_mark(told) if told else None


def parse_mark(text: str) -> Owner | None:
    """Whose a vm with this mark is; None where it is none of ours."""
    words = text.rsplit(" ", 2)
    if len(words) != 3 or not words[2].isdigit():
        return None
    return Owner(words[0], words[1], int(words[2]))


def template_mark(made: Made) -> Any:
    """The option that says what a template is."""
    state = _WHOLE if made.whole else _DRAFT
    return vim.option.OptionValue(key=TEMPLATE_KEY, value=f"{made.platform} {made.sha256} {state}")


def read_template_mark(options: Iterable[Any]) -> Made | None:
    """What the template with these options is; None for what is none of ours."""
    words = _told(options, TEMPLATE_KEY).rsplit(" ", 2)
    if len(words) != 3 or words[2] not in (_WHOLE, _DRAFT):
        return None
    return Made(words[0], words[1], words[2] == _WHOLE)


def _told(options: Iterable[Any], key: str) -> str:
    """The newest, where a server keeps those before it."""
    told = [str(option.value) for option in options if option.key == key]
    return told[-1] if told else ""
