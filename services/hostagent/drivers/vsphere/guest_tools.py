# SPDX-License-Identifier: Apache-2.0
"""What VMware Tools say of guests, put together of the changes that the server tells."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.common.contracts.tools import ToolsFacts, ToolsLink, cleaned

_RUNNING, _HOSTNAME, _SYSTEM, _NET = (
    "guest.toolsRunningStatus",
    "guest.hostName",
    "guest.guestFullName",
    "guest.net",
)
GUEST_PATHS = (_RUNNING, _HOSTNAME, _SYSTEM, _NET)
_RUN = ("guestToolsRunning", "guestToolsExecutingScripts")


class GuestTools:
    """Of all vms in a view, by vSphere's id: an update brings only the properties that have changed."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}

    def changed(self, item: Any) -> ToolsFacts | None:
        """What they say after this update; None where it tells nothing of a guest."""
        changes = {change.name: change.val for change in item.changeSet if change.name in GUEST_PATHS}
        if not changes:
            return None
        known = self._known.setdefault(item.obj._moId, {})
        known.update(changes)
        return read(known)

    def gone(self, ref: Any) -> None:
        """It has left the view."""
        self._known.pop(ref._moId, None)


def read(known: Mapping[str, Any]) -> ToolsFacts:
    """Our facts of these properties."""
    running = str(known.get(_RUNNING)) in _RUN
    links = tuple(_links(known.get(_NET) or ()))
    return cleaned(ToolsFacts(running, str(known.get(_HOSTNAME) or ""), str(known.get(_SYSTEM) or ""), links))


def _links(cards: Any) -> Iterator[ToolsLink]:
    """Those that are devices of the vm; what else a guest has has no such number, and may come and go all the time."""
    for card in cards:
        if card.macAddress and card.deviceConfigId >= 0:
            told = card.ipConfig.ipAddress if card.ipConfig else ()
            addresses = tuple(f"{one.ipAddress}/{one.prefixLength}" for one in told)
            yield ToolsLink(card.macAddress, addresses or tuple(card.ipAddress or ()))
