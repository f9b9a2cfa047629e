# SPDX-License-Identifier: Apache-2.0
"""Networks vms can be plugged into."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.catalogue import Network
from innkeeper.models.shape import load
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport


class Networks(Collection[Network]):
    """/v1/networks"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/networks", Network)

    def create(self, spec: Mapping[str, Any]) -> Network:
        """Make one, as the API's POST /v1/networks takes it."""
        return load(Network, self._transport.json(Call("POST", self._path, json=dict(spec))))

    def change(self, network: Network, changes: Mapping[str, Any]) -> Network:
        """Change its ranges or reservations, if it still is what you saw (else Conflict)."""
        headers = {"If-Match": f'"{network.etag}"'}
        call = Call("PATCH", self._at(network.id), json=dict(changes), headers=headers)
        return load(Network, self._transport.json(call))
