# SPDX-License-Identifier: Apache-2.0
"""Hosts as a decision saw them, kept beside it in short: what has its default is left out."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from services.common.contracts.codec import load
from services.common.contracts.placement import Decision, HostView

_DEFAULTS = {f.name: f.default for f in fields(HostView)} | {"members": {}, "datastores": {}}


def kept(hosts: Iterable[HostView]) -> list[dict[str, Any]]:
    """The hosts as plain values."""
    return [{name: v for name, v in vars(host).items() if v != _DEFAULTS.get(name, MISSING)} for host in hosts]


def concerned(decision: Decision, hosts: Iterable[HostView]) -> list[HostView]:
    """Those that a decision is told of by: the choice or, without one, the nearest misses."""
    told = {decision.host} if decision.host else {miss.host for miss in decision.misses}
    return [host for host in hosts if host.id in told]


def read(rows: Iterable[Mapping[str, Any]]) -> dict[str, HostView]:
    """The hosts that were kept, by id; ValueError where another version kept what isn't known here."""
    found = (load(HostView, row) for row in rows)
    return {host.id: host for host in found}
