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
    told = [option.value for option in options if option.key == KEY]
    if not told:
        return None
    words = str(told[-1]).rsplit(" ", 2)  # the newest, where a server keeps those before it
    if len(words) != 3 or not words[2].isdigit():
        return None
    return Owner(words[0], words[1], int(words[2]))
