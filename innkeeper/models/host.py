# SPDX-License-Identifier: Apache-2.0
"""A host: capacity, what claims hold of it, and what its telemetry says."""

from dataclasses import dataclass

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Host(Answer):
    """A machine that runs vms; `used_*` is what claims hold. Sizes in MiB and GiB, watts as measured or estimated."""

    id: str
    name: str = ""
    state: str = ""
    driver: str = ""
    zone: str = ""
    traits: tuple[str, ...] = ()
    accelerator: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    used_vcpus: int = 0
    used_memory_mib: int = 0
    used_disk_gib: int = 0
    vms: int = 0
    cpu_percent: float | None = None
    watts: float | None = None
    watts_source: str = ""
    heartbeat_age_s: float | None = None
    etag: str = ""
