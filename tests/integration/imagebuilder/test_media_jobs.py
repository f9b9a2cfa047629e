# SPDX-License-Identifier: Apache-2.0
"""Media through the API: imported as a job, refused by sum or address, and then what a vm boots from."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from innkeeper.client import Client
from innkeeper.models.account import Tokens
from tests.support.file_server import serving
from tests.support.missing import servers_needed
from tests.support.packed_disks import ova, ovf, streamed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running
from tests.support.vendor import Faults
from tests.support.vendor import vendor as vendor_with_faults
from tests.support.waiting import until

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
    env = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32", "INNKEEPER_ORPHAN_GRACE_S": "2"}
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
    return sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []


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


def test_a_vm_boots_from_the_disk_that_was_in_an_ova(stack: Stack) -> None:
    content = ova({"web.ovf": ovf(), "disk.vmdk": streamed(IMAGE)})
    made = sent(stack, "appliance", content)
    answer = stack.http.put(made["upload"]["url"], content=content)
    job = stack.finish(answer.json()["job"]["id"])
    medium = stack.http.get(f"/v1/media/{made['media']['id']}").json()
    assert (job["state"], medium["state"]) == ("succeeded", "available"), job
    assert (medium["sha256"], medium["kept_sha256"] in kept(stack)) == (hashlib.sha256(content).hexdigest(), True)
    assert medium["sha256"] not in kept(stack)
    vm = stack.create("from-an-ova", os="debian-13", flavor="small")
    assert stack.finish(vm["job"]["id"])["state"] == "succeeded"
    agent = stack.directory / "agent-fake-1"
    assert medium["kept_sha256"] in (agent / "vms" / vm["vm"]["id"] / "masters").read_text().split()


def sent(stack: Stack, name: str, content: bytes, sha256: str = "") -> dict[str, Any]:
    """Announce a medium; the answer."""
    asked = {"name": name, "upload": True, "size": len(content), "os": "debian-13"}
    answer = stack.http.post("/v1/media", json={**asked, "sha256": sha256 or hashlib.sha256(content).hexdigest()})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_upload_goes_on_after_the_image_builder_was_killed(stack: Stack) -> None:
    content = IMAGE + b"sent by hand"
    medium = sent(stack, "by-hand", content)["media"]
    builder = stack.processes["imagebuilder"]
    with Client(stack.api_url, Tokens(access_token=stack.http.headers["Authorization"].split()[1])) as client:
        half = {"Content-Range": f"bytes 0-499999/{len(content)}", "Content-Type": "application/octet-stream"}
        stack.http.put(f"/v1/media/{medium['id']}/content", content=content[:500_000], headers=half).raise_for_status()
        builder.kill()
        builder.start()
        told: list[int] = []
        job = client.media.send(medium["id"], BytesIO(content), told.append)
        assert told[0] == 500_000
    assert stack.finish(job.id)["state"] == "succeeded"
    assert hashlib.sha256(content).hexdigest() in kept(stack)
    assert stack.http.get(f"/v1/media/{medium['id']}").json()["state"] == "available"
    vm = stack.create("from-hand", os="debian-13", flavor="small")
    assert stack.finish(vm["job"]["id"])["state"] == "succeeded"
    assert stack.http.get(f"/v1/media/{medium['id']}").json()["last_used_at"]


def test_an_upload_with_a_wrong_sum_fails_its_job_and_leaves_nothing(stack: Stack) -> None:
    before = kept(stack)
    made = sent(stack, "wrong-by-hand", IMAGE, "0" * 64)
    answer = stack.http.put(made["upload"]["url"], content=IMAGE)
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "image-failed")
    assert f"expected sha256 {'0' * 64}, got {SUM}" in job["error"]["detail"]
    uploads = stack.directory / "state" / "media" / "uploads"
    assert (kept(stack), list(uploads.iterdir())) == (before, [])


def test_a_cancelled_import_ends_while_the_server_still_sends(stack: Stack) -> None:
    before = kept(stack)
    with vendor_with_faults(IMAGE, Faults(drips=True)) as server:
        asked = {"name": "slow", "url": server.url, "sha256": SUM[::-1]}
        job = stack.http.post("/v1/media", json=asked).json()["job"]["id"]
        until(lambda: server.asked, 20, "the download has begun")
        stack.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
        assert stack.finish(job, 20)["state"] == "cancelled"
    assert kept(stack) == before


def test_the_file_of_a_deleted_medium_is_collected(stack: Stack) -> None:
    content = IMAGE + b"to be deleted"
    made = sent(stack, "deleted", content)
    stack.finish(stack.http.put(made["upload"]["url"], content=content).json()["job"]["id"])
    assert hashlib.sha256(content).hexdigest() in kept(stack)
    stack.http.delete(f"/v1/media/{made['media']['id']}").raise_for_status()
    until(lambda: hashlib.sha256(content).hexdigest() not in kept(stack), 20, "the file is gone")
