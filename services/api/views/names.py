# SPDX-License-Identifier: Apache-2.0
"""Names beside ids: networks for everybody, hosts for admins; others see a stable mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.common.contracts.masking import masked_host
from services.common.store.models import Host, Network


@dataclass(frozen=True)
class Names:
    """How to name what a row refers to by id."""

    networks: Mapping[str, str]
    hosts: Mapping[str, str]
    unmasked: bool

    def host(self, host_id: str | None) -> str:
        """The host's name as the caller may see it; "" for none."""
        if not host_id:
            return ""
        return self.hosts.get(host_id, host_id) if self.unmasked else masked_host(host_id)


def names_for(call: Call, db: Session, hosts: set[str], networks: set[str]) -> Names:
    """The names of these hosts and networks, from memory where they are known."""
    known_networks = _known(call, "names/networks", lambda: _pairs(db, Network), networks)
    known_hosts = _known(call, "names/hosts", lambda: _pairs(db, Host), hosts) if call.admin else {}
    return Names(known_networks, known_hosts, call.admin)


def _pairs(db: Session, model: type[Network] | type[Host]) -> dict[str, str]:
    return {row[0]: row[1] for row in db.execute(select(model.id, model.name))}


def _known(call: Call, key: str, load: Callable[[], dict[str, str]], wanted: set[str]) -> Mapping[str, str]:
    if not wanted:
        return {}
    found = call.parts.cached.get(key, load)
    return found if wanted <= found.keys() else call.parts.cached.get(key, load, fresh=True)
