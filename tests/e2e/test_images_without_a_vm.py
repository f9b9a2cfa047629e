# SPDX-License-Identifier: Apache-2.0
"""Images without a vm through a whole stack: by our own api, and by Virtomize's published Python client as it is on
PyPI.
"""

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uiipythonapi

from services.common.contracts.ids import new_id
from services.imagebuilder.masters import MasterStore
from tests.support.detour import detour
from tests.support.image_builder import keep_a_medium
from tests.support.redis_tap import tapped
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]
DHCP = [{"dhcp": True, "nointernet": False}]
STATIC = {"ipnet": "192.168.0.200/16", "gateway": "192.168.0.1", "dns": "1.1.1.1", "nointernet": False}
CLEAR = "Marker-4711-Battery"


@pytest.fixture(scope="module")
def medium(stack: Stack) -> None:
    """A small installation medium in the place of Debian's, which takes minutes to make."""
    keep_a_medium(MasterStore(stack.directory / "state"), stack.directory / "scratch")


@pytest.fixture
def token(stack: Stack) -> str:
    body = {"name": f"uii-{new_id()}", "scopes": ["write"], "expires_in": 3600}
    return str(stack.http.post("/v1/tokens", json=body).raise_for_status().json()["token"])


@pytest.fixture
def client(stack: Stack, medium: None, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Not a byte of it is changed: a proxy leads its own address to us. (It doesn't look at certificates.)"""
    address = httpx.URL(stack.api_url)
    with detour("api.virtomize.com", (address.host, address.port or 80), tmp_path) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield uiipythonapi.Client(token)


def test_it_reads_the_list_and_the_packages(client: Any) -> None:
    systems, error = client.read_os_list()
    assert error is None
    assert ("debian", "12", "x86_64") in [(s["dist"], s["version"], s["arch"]) for s in systems]
    packages, error = client.read_package_list("debian", "12", "x86_64")
    assert error is None
    assert "curl" in packages


@pytest.mark.parametrize("networks", [DHCP, [STATIC]])
def test_it_saves_an_image_that_is_an_iso(client: Any, tmp_path: Path, networks: list[dict[str, Any]]) -> None:
    target = tmp_path / "debian12.iso"
    assert client.build(str(target), "debian", "12", "x86_64", "saved-host", networks) == ""
    content = target.read_bytes()
    assert content[32769:32774] == b"CD001"
    assert content[510:512] == b"\x55\xaa"  # also boots from a stick
    assert b"saved-host" in content


def test_it_prints_our_sentences_and_writes_nothing(client: Any, tmp_path: Path, capfd: Any) -> None:
    target = tmp_path / "none.iso"
    offline = [{"dhcp": True, "nointernet": True}]
    error = client.build(str(target), "debian", "12", "x86_64", "h", offline)
    assert error == "none of your networks has a valid internet connection"
    assert "no image of 'beos'" in client.build(str(target), "beos", "5", "x86_64", "h", DHCP)
    assert not target.exists()
    assert "Error calling API" not in capfd.readouterr().out


def test_its_address_may_be_patched_instead(stack: Stack, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uiipythonapi.client.BASE_URL", f"{stack.api_url}/uii/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    systems, error = uiipythonapi.Client(token).read_os_list()
    assert error is None
    assert systems


def test_a_wrong_token_is_told_in_a_sentence(client: Any) -> None:
    systems, error = uiipythonapi.Client("nonsense").read_os_list()
    assert systems == []
    assert "API token" in error
    assert "was not successful" not in error


def test_no_secret_of_an_image_is_in_a_log_an_answer_or_said_to_redis(stack: Stack, medium: None, token: str) -> None:
    script = f"#!/bin/sh\necho {CLEAR}\n"
    body = {"name": "marked", "os": "debian-12-image", "flavor": "small", "users": [{"name": "ops", "password": CLEAR}]}
    wire = {"dist": "debian", "version": "12", "hostname": "marked", "networks": DHCP, "password": CLEAR}
    with tapped(stack.redis.url) as said:
        made = stack.http.post("/v1/images", json={**body, "first_boot": script}).raise_for_status()
        content = stack.http.get(made.json()["url"]).raise_for_status()
        bearer = {"Authorization": f"Bearer {token}"}
        stack.http.post("/uii/images", json=wire, headers=bearer).raise_for_status()
    shown = [made.text, stack.http.get("/v1/images").text, *said]
    logs = [path.read_text(errors="replace") for path in stack.directory.glob("*.log")]
    url_token = made.json()["url"].partition("?t=")[2]
    assert b64encode(script.encode()) in content.content  # where it belongs, and nowhere else
    for text in (*shown, *logs):
        assert CLEAR not in text
        assert "$6$" not in text
    assert not [text for text in (*logs, *said) if url_token in text or token in text]


def test_many_requests_with_one_key_at_once_build_one_image(stack: Stack, medium: None) -> None:
    body, headers = {"name": "one", "os": "debian-12-image", "flavor": "small"}, {"Idempotency-Key": new_id()}
    before = len(stack.http.get("/v1/images").json()["items"])
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: stack.http.post("/v1/images", json=body, headers=headers), range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(stack.http.get("/v1/images").json()["items"]) == before + 1


def test_what_is_deleted_streamed_or_broken_off_leaves_the_disk(stack: Stack, medium: None, token: str) -> None:
    wire = {"dist": "debian", "version": "12", "hostname": "gone", "networks": DHCP}
    bearer = {"Authorization": f"Bearer {token}"}
    stack.http.post("/uii/images", json=wire, headers=bearer).raise_for_status()
    with stack.http.stream("POST", "/uii/images", json=wire, headers=bearer) as answer:
        assert answer.status_code == 200
        next(answer.iter_raw(1000))  # and leave
    for image in stack.http.get("/v1/images?limit=1000").json()["items"]:
        # The one that was left is taken back by itself, any moment now.
        assert stack.http.delete(f"/v1/images/{image['id']}").status_code in (204, 404)
    folder = stack.directory / "state" / "images"
    until(lambda: not list(folder.iterdir()), 30, "the image builder has removed every image", pause=0.2)
