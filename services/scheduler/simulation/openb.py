# SPDX-License-Identifier: Apache-2.0
"""Reads the openb traces of a cluster with GPUs: nodes and pods as CSV, packed or not.

The traces have no disks, and the platform has no GPUs: where others have disk, these hosts and requests have
thousandths of GPUs, and vcpus are thousandths of processors. The most one GPU of a pod takes stands in the label `gpu`.
"""

import csv
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import HostView, Request
from services.scheduler.simulation.trace import Arrival, Trace

GPU = 1000
T = TypeVar("T")


def read_openb(nodes: Path, pods: Path) -> Trace:
    """The trace of these two files; Invalid, with the line, where a row can't be read."""
    hosts = tuple(_rows(nodes, _host))
    arrivals = tuple(sorted(_rows(pods, _arrival), key=lambda a: (a.at, a.request.id)))
    until = max((a.at + a.lasts for a in arrivals), default=0.0)
    return Trace(pods.name, hosts, arrivals, until)


def _rows(path: Path, read: Callable[[dict[str, str]], T]) -> Iterator[T]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for row in csv.DictReader(file):
            try:
                yield read(row)
            except (KeyError, ValueError, TypeError) as error:
                detail = f"{path.name} can't be read as an openb trace: {error}"
                raise Invalid(detail, [Problem("/", detail, "give the nodes' or the pods' CSV")]) from error


def _host(row: dict[str, str]) -> HostView:
    return HostView(
        id=row["sn"],
        name=row["sn"],
        driver="fake",
        state="up",
        zone="",
        traits=(f"gpu-{row['model']}",) if row["model"] else (),
        vcpus=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        disk_gib=int(row["gpu"]) * GPU,
        heartbeat_age_s=0.0,
    )


def _arrival(row: dict[str, str]) -> Arrival:
    each = int(row["gpu_milli"])
    request = Request(
        id=row["name"],
        vcpus=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        disk_gib=int(row["num_gpu"]) * each,
        labels={"gpu": str(each)},
    )
    begins, ends = float(row["creation_time"]), float(row["deletion_time"])
    return Arrival(begins, request, max(0.0, ends - begins))
