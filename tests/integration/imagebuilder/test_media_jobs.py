# SPDX-License-Identifier: Apache-2.0
"""Media through the API: imported as a job, refused by sum or address, and then what a vm boots from."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.file_server import serving
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running

IMAGE = bytes(510) + b"\x55\xaa" + b"a cloud image" * 100_000
SUM = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("vendor")
    (folder / "image.raw").write_bytes(IMAGE)
    with serving(folder) as url:
        yield url


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    env = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32"}
    with servers_needed(), short_directory() as folder, running(folder, env=env) as stack:
        stack.enrol("fake-1")
        yield stack


def offer(stack: Stack, name: str, url: str, sha256: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Import a medium and wait; (the medium, its job)."""
    asked = {"name": name, "url": url, "sha256": sha256, "os": "debian-13", "kind": "cloud-image"}
    answer = stack.http.post("/v1/media", json=asked)
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    listed = stack.http.get("/v1/media").raise_for_status().json()["items"]
    return next(medium for medium in listed if medium["name"] == name), job


def kept(stack: Stack) -> list[str]:
    folder = stack.directory / "state" / "media"
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_wrong_checksum_fails_with_both_sums_and_leaves_nothing(stack: Stack, vendor: str) -> None:
    medium, job = offer(stack, "wrong", f"{vendor}/image.raw", "0" * 64)
    assert job["state"] == "failed"
    assert medium["state"] == "failed"
    for said in (str(job["error"]), medium["error"]):
        assert SUM in said
        assert "0" * 64 in said
    assert kept(stack) == []


def test_a_private_address_is_refused(stack: Stack) -> None:
    medium, job = offer(stack, "private", "http://127.0.0.2/image.raw", SUM)
    assert (job["state"], medium["state"]) == ("failed", "failed")
    assert "not a public address" in medium["error"]
    assert kept(stack) == []


def test_an_imported_image_is_available_and_a_vm_boots_from_it(stack: Stack, vendor: str) -> None:
    medium, job = offer(stack, "debian-13", f"{vendor}/image.raw", SUM)
    assert (job["state"], medium["state"], medium["size"]) == ("succeeded", "available", len(IMAGE))
    assert kept(stack) == [SUM]
    made = stack.create("from-media", os="debian-13", flavor="small")
    job = stack.finish(made["job"]["id"])
    assert job["state"] == "succeeded", job
    assert stack.vm(made["vm"]["id"])["state"] == "ready"
