# SPDX-License-Identifier: Apache-2.0
"""A vendor's medium that somebody imported, through every process: a vm of it becomes ready, and its answers are there.

The media are synthetic, and the fake host's guest speaks in the system's place.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from services.common.catalog import systems
from tests.e2e.conftest import gone
from tests.support.file_server import serving
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running

pytestmark = pytest.mark.e2e
ENV = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIo6QJpLo1lGUcHNmjGPyGRuVJvH7/iPXfsX2bq1VJdV me@desk"
IMAGE = bytes(510) + b"\x55\xaa" + b"a vendor's image" * 10_000


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vendor")


@pytest.fixture(scope="module")
def site(vendor: Path) -> Iterator[str]:
    with serving(vendor) as url:
        yield url


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with servers_needed(), short_directory() as folder, running(folder, env=ENV) as stack:
        stack.enrol("fake-1", capacity={"vcpus": 64, "memory_mib": 65536, "disk_gib": 1000})
        yield stack


def imported(stack: Stack, url: str, content: bytes, **asked: str) -> None:
    answer = stack.http.post("/v1/media", json={**asked, "url": url, "sha256": sha256(content).hexdigest()})
    job = stack.finish(answer.raise_for_status().json()["job"]["id"])
    assert job["state"] == "succeeded", job


def seed_of(stack: Stack, vm: dict[str, Any]) -> bytes:
    return (stack.directory / "state" / "images" / vm["id"] / "seed.iso").read_bytes()


@pytest.mark.parametrize("os", ["flatcar-stable", "fedora-coreos-stable"])
def test_an_image_with_ignition_becomes_a_vm_that_is_ready(os: str, stack: Stack, vendor: Path, site: str) -> None:
    (vendor / "image.img").write_bytes(IMAGE)
    imported(stack, f"{site}/image.img", IMAGE, name=os, os=os, kind="cloud-image")
    made = stack.create(os, os=os, flavor="medium", users=[{"name": "ops", "ssh_keys": [KEY]}])
    job = stack.finish(made["job"]["id"])
    assert job["state"] == "succeeded", job
    vm = stack.vm(made["vm"]["id"])
    assert (vm["state"], systems()[os].installable) == ("ready", True)
    disc = seed_of(stack, vm)
    assert disc[32808:32840].rstrip() == b"config-2"
    assert f'"sshAuthorizedKeys": ["{KEY}"]'.encode() in disc
    gone(stack, vm["id"])
