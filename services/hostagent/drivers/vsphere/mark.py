# SPDX-License-Identifier: Apache-2.0
"""The owner mark: one option in the extra configuration of every vm we make. It survives moves and renames."""

from collections.abc import Iterable
from typing import Any

from pyVmomi import vim

from services.hostagent.drivers.base import Owner

KEY = "innkeeper.owner"


def mark(owner: Owner) -> Any:
    """The option that says whose a vm is."""
    return vim.option.OptionValue(key=KEY, value=f"{owner.platform} {owner.vm} {owner.fence}")


def read_mark(options: Iterable[Any]) -> Owner | None:
    """Whose a vm with these options is; None where it has no mark of ours."""
    told = [str(option.value) for option in options if option.key == KEY]
    return parse_mark(told[-1]) if told else None  # the newest, where a server keeps those before it


def parse_mark(text: str) -> Owner | None:
    """Whose a vm with this mark is; None where it is none of ours."""
    words = text.rsplit(" ", 2)
    if len(words) != 3 or not words[2].isdigit():
        return None
    return Owner(words[0], words[1], int(words[2]))
