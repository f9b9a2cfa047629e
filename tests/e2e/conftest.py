# SPDX-License-Identifier: Apache-2.0
"""One running platform for all e2e tests of a worker process, with a roomy fake host, and one with real guests.

A start of the whole takes as long as several tests: a module has a platform of its own only where it must.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from deploy.local.servers.libvirtd import Libvirtd
from services.common.store.database import Database
from services.common.store.jobs import Job
from tests.support.hypervisor import private_libvirtd
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running
from tests.support.windows_guest import GUEST_URL

ENV = {
    "INNKEEPER_LEASE_S": "3",
    "INNKEEPER_ORPHAN_GRACE_S": "3",
    "INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32",
    **GUEST_URL,
}
ROOM = {"vcpus": 64, "memory_mib": 65536, "disk_gib": 1000}
REAL_ROOM = {"vcpus": 16, "memory_mib": 16384, "disk_gib": 100}
# Of an emulated system: with one processor, since interrupts get lost between QEMU's threads on a machine that is busy.
ONE_CPU = {"flavor": "small"}
# Kept between runs on a person's machine, so that the base image is built once.
CACHE = Path.home() / ".cache" / "innkeeper" / "masters"


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with servers_needed(), short_directory() as directory, running(directory, env=ENV) as found:
        yield found


@pytest.fixture(scope="package")
def host(stack: Stack) -> str:
    return stack.enrol("fake-1", "fake", capacity=ROOM, datastores={"fast": {"size_gib": 100}})


@pytest.fixture(scope="package")
def libvirtd() -> Iterator[Libvirtd]:
    with private_libvirtd() as server:
        yield server


@pytest.fixture(scope="package")
def real(libvirtd: Libvirtd) -> Iterator[Stack]:
    with short_directory() as directory, running(directory, env=ENV) as stack:
        CACHE.mkdir(parents=True, exist_ok=True)
        (stack.directory / "state").mkdir(exist_ok=True)
        (stack.directory / "state" / "masters").symlink_to(CACHE)
        stack.enrol("kvm-1", "libvirt", libvirt_uri=libvirtd.url, capacity=REAL_ROOM)
        yield stack


def names(libvirtd: Libvirtd) -> list[str]:
    """Every domain there is, by virsh."""
    return libvirtd.virsh("list", "--all", "--name").stdout.split()


def addresses(vm: dict[str, Any]) -> dict[str, list[str]]:
    """What the guest says it has, by MAC."""
    return {i["mac"]: i["addresses"] for i in vm["observed"]["interfaces"]}


def orphans(stack: Stack) -> list[dict[str, Any]]:
    """What nobody owns, by the audit; every host must have been read."""
    found: dict[str, Any] = stack.http.get("/v1/audit/orphans").raise_for_status().json()
    assert found["complete"], found["hosts"]
    listed: list[dict[str, Any]] = found["orphans"]
    return listed


def gone(stack: Stack, vm: str) -> None:
    """Delete a vm and see it gone."""
    answer = stack.http.delete(f"/v1/vms/{vm}")
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = stack.finish(answer.json()["job"]["id"])
    assert job["state"] == "succeeded", job


def overdue(stack: Stack, job: str) -> None:
    """Let the allowance of the guest that the job waits for be over."""
    database = Database(stack.env["INNKEEPER_DATABASE_URL"])
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job).values(deadline_at=time.time() - 1))
    database.close()
