# SPDX-License-Identifier: Apache-2.0
"""What a condition may name, and of which kind each is.

Hosts' names and ids aren't among them: an explanation for people who may not know hosts must come out the same.
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What a value is."""

    NUMBER = "a number"
    TEXT = "a text"
    TRUTH = "true or false"
    TEXTS = "a list of texts"
    NUMBERS = "a list of numbers"
    HOST_TEXTS = "a list of texts of the host"


N, T = Kind.NUMBER, Kind.TEXT
VM: Mapping[str, Kind] = {
    "vcpus": N,
    "memory_mib": N,
    "disk_gib": N,
    "hypervisor": T,
    "zone": T,
    "os": T,
    "project": T,
    "traits": Kind.TEXTS,
    "needs": Kind.TEXTS,
}
HOST: Mapping[str, Kind] = {
    "vcpus": N,
    "memory_mib": N,
    "disk_gib": N,
    "used_vcpus": N,
    "used_memory_mib": N,
    "used_disk_gib": N,
    "vms": N,
    "cpu_percent": N,
    "watts": N,
    "failures": N,
    "price_kwh": N,
    "driver": T,
    "state": T,
    "zone": T,
    "rack": T,
    "traits": Kind.HOST_TEXTS,
    "capabilities": Kind.HOST_TEXTS,
}
LABELS = "labels"  # vm.labels.<label>: a text, empty where the vm hasn't the label
