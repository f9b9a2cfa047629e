# SPDX-License-Identifier: Apache-2.0
"""An overlay, and the whole image it stands for, from the artifact server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from services.common.runtime.signing import sign_url
from services.imagebuilder.places import Places
from services.imagebuilder.server import ArtifactServer
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.support.imaging import VM_ID, new_keys

MASTER = bytes(range(256)) * 64
PATCH = Patch(6144, b"the answer" * 200)
IMAGE = MASTER[:6144] + PATCH.content + MASTER[6144 + len(PATCH.content) :]
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Signed requests for files of one vm, which has an overlay."""
    places, keys = Places(tmp_path, "http://x"), new_keys(tmp_path)
    master = tmp_path / "masters" / ("ab" * 32)
    master.parent.mkdir()
    master.write_bytes(MASTER)
    places.image(VM_ID).mkdir(parents=True)
    write_overlay(places.image(VM_ID) / "install.qcow2", master, [PATCH], f"../../masters/{master.name}")
    server = ArtifactServer("127.0.0.1:0", places, keys.command_public_pem).start()
    with httpx.Client(trust_env=False) as client:

        def answer(name: str, method: str = "GET", **headers: str) -> httpx.Response:
            url = sign_url(f"http://127.0.0.1:{server.port}/images/{VM_ID}/{name}", keys.command_private_pem)
            return client.request(method, url, headers=headers)

        yield answer
    server.close()


def test_the_whole_image_is_streamed_and_nothing_is_copied(ask: Ask, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    answer = ask("install.iso")
    assert (answer.status_code, answer.content) == (200, IMAGE)
    assert sorted(tmp_path.rglob("*")) == before
    head = ask("install.iso", "HEAD")
    assert (head.headers["content-length"], head.content) == (str(len(IMAGE)), b"")


def test_the_overlay_itself_is_there_too(ask: Ask, tmp_path: Path) -> None:
    assert ask("install.qcow2").content == (tmp_path / "images" / VM_ID / "install.qcow2").read_bytes()


@pytest.mark.parametrize("start, end", [(0, 9), (4000, 9000), (6143, 6144), (8143, 8144), (16000, 16383)])
def test_ranges_cross_from_master_to_slot_and_back(ask: Ask, start: int, end: int) -> None:
    answer = ask("install.iso", Range=f"bytes={start}-{end}")
    assert (answer.status_code, answer.content) == (206, IMAGE[start : end + 1])
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(IMAGE)}"


def test_a_range_beyond_the_end_is_refused(ask: Ask) -> None:
    assert ask("install.iso", Range=f"bytes={len(IMAGE)}-").status_code == 416


@pytest.mark.parametrize("name", ["other.iso", "install", "install.iso.iso", ".iso"])
def test_no_other_name_means_an_image(ask: Ask, name: str) -> None:
    assert ask(name).status_code == 404


def test_an_image_whose_master_is_gone_says_so(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "masters" / ("ab" * 32)).unlink()
    answer = ask("install.iso")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "master is gone" in answer.json()["detail"]
