# SPDX-License-Identifier: Apache-2.0
"""Hosts, requests and policies for tests of placement: sensible unless a test says otherwise."""

from dataclasses import replace
from typing import Any

from services.common.contracts.placement import HostView, Relaxation, Request
from services.scheduler.policy import Policy
from services.scheduler.policy_file import Shelf, read_policy

SHELF = Shelf()
CURVE = tuple(100.0 + 20 * n for n in range(11))  # 100 W idle, 300 W full
NUMBERS = ("vcpus", "memory_mib", "disk_gib")

PLAIN = """
apiVersion: scheduler/v1
kind: PlacementPolicy
metadata: {name: plain, version: 1}
filters:
  - {type: state}
  - {type: host}
  - {type: hypervisor}
  - {type: zone}
  - {type: traits}
  - {type: capacity}
weighers:
  - {type: WEIGHER}
"""


def plain_policy(weigher: str = "spread", overcommit: str = "") -> Policy:
    """A policy with one weigher, no reserve, and no overcommit unless given as YAML."""
    capacity = f"capacity: {{overcommit: {overcommit}}}\n" if overcommit else ""
    return read_policy(PLAIN.replace("WEIGHER", weigher).lstrip() + capacity)


def a_host(name: str = "h1", **changes: Any) -> HostView:
    """A host of 16 vcpus, 64 GiB and 500 GiB that is up and was heard just now."""
    base = HostView(
        id=f"id-{name}",
        name=name,
        driver="fake",
        state="up",
        zone="",
        traits=(),
        vcpus=16,
        memory_mib=65536,
        disk_gib=500,
        heartbeat_age_s=1.0,
    )
    return replace(base, **changes)


def a_request(**changes: Any) -> Request:
    """A small vm without wishes."""
    return replace(Request(id="vm-1", vcpus=1, memory_mib=1024, disk_gib=10), **changes)


def relaxed(request: Request, relaxation: Relaxation) -> Request:
    """The request as somebody who reads the relaxation would change it."""
    changes: dict[str, Any] = {}
    for name, text in zip(relaxation.field.split(", "), relaxation.fits.split(", "), strict=True):
        changes[name] = int(text) if name in NUMBERS else tuple(text.split()) if name == "traits" else text
    return replace(request, **changes)
