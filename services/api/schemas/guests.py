# SPDX-License-Identifier: Apache-2.0
"""A message of the guest protocol (contracts.guest). Its values are checked as those of the ports are."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, pre_load, validate

from services.common.contracts.guest import TYPES


def _of(*types: str) -> fields.Raw:
    return fields.Raw(metadata={"description": f"Of {', '.join(types)}"})


class GuestWord(Schema):
    """One message; which fields belong to it is said by its type."""

    type = fields.String(required=True, validate=validate.OneOf(TYPES, error="{input!r} is unknown -> {choices}"))
    name = _of("phase")
    percent = _of("phase, where it is known")
    agent = _of("hello")
    os = _of("hello")
    boot_id = _of("hello", "report")
    hostname = _of("hello", "report")
    interfaces = _of("report")
    routes = _of("report")
    dns = _of("report")
    load1 = _of("load")
    memory_total_mib = _of("load")
    memory_free_mib = _of("load")
    disks = _of("load")
    uptime_s = _of("heartbeat")
    phase = _of("failed")
    log = _of("failed: the reason in its first line, then the tail")

    @pre_load
    def known_only(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """A younger guest may say more than we know: left out, as on the port."""
        return {name: value for name, value in data.items() if name in self.fields}
