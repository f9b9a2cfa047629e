# SPDX-License-Identifier: Apache-2.0
"""The audit; for administrators."""

from innkeeper.models.audit import Audit
from innkeeper.models.shape import load
from innkeeper.transport import Call, Transport

_MORE_S = 30.0  # for the comparing, after the last host has answered


class Audits:
    """/v1/audit"""

    def __init__(self, transport: Transport):
        self._transport = transport

    def orphans(self, wait: float = 10.0) -> Audit:
        """What hosts have and rows hold that nobody owns; each host has `wait` seconds to answer."""
        asked = Call("GET", "/v1/audit/orphans", params={"wait": str(wait)}, timeout_s=wait + _MORE_S)
        return load(Audit, self._transport.json(asked))
