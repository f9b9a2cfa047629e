# SPDX-License-Identifier: Apache-2.0
"""Somebody in the place of a Windows: has its answers from the disc that its vm was given, and tells what it would."""

import json
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pycdlib
from lxml import etree

from tests.support.stack import Stack
from tests.support.waiting import until
from tests.support.windows_media import make_windows_medium

# Such an address must be https; whoever tells here takes the stack's own.
GUEST_URL = {"INNKEEPER_GUEST_URL": "https://inn.example.org"}


def import_medium(stack: Stack, site: str, folder: Path, os: str) -> None:
    """A synthetic medium for this system, from a server that serves the folder."""
    make_windows_medium(folder / f"{os}.iso", folder)
    digest = sha256((folder / f"{os}.iso").read_bytes()).hexdigest()
    asked = {"name": os, "os": os, "kind": "iso", "url": f"{site}/{os}.iso", "sha256": digest}
    job = stack.finish(stack.http.post("/v1/media", json=asked).raise_for_status().json()["job"]["id"])
    assert job["state"] == "succeeded", job


@dataclass(frozen=True)
class WindowsGuest:
    """A vm's guest whose installation is waited for. The fake host hears nobody in a vm called *-never-boots."""

    stack: Stack
    made: dict[str, Any]  # what POST /v1/vms answered

    @property
    def seed(self) -> Path:
        """The disc of answers as the image builder has it."""
        return self.stack.directory / "state" / "images" / str(self.made["vm"]["id"]) / "seed.iso"

    def read(self, path: str) -> bytes:
        """A file of the disc, by the name Windows sees."""
        disc, out = pycdlib.PyCdlib(), BytesIO()
        disc.open(str(self.seed))
        disc.get_file_from_iso_fp(out, joliet_path=path)
        disc.close()
        return out.getvalue()

    @property
    def asked(self) -> dict[str, Any]:
        """What the first logon is to do."""
        found: dict[str, Any] = json.loads(self.read("/innkeeper/first-logon.json"))
        return found

    def secrets(self) -> set[str]:
        """Its token, and the passwords of one use."""
        root = etree.fromstring(self.read("/autounattend.xml"))
        passwords = {str(e.text) for e in root.iterfind(".//{*}Password/{*}Value")}
        return passwords | {str(e.text) for e in root.iterfind(".//{*}AdministratorPassword/{*}Value")} | {self.token}

    @property
    def token(self) -> str:
        return str(self.asked["report_token"])

    def tell(self, **message: Any) -> None:
        """One message to where it was told, at the stack's address."""
        url = self.stack.api_url + urlsplit(self.asked["report_url"]).path
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(url, json=message, headers=headers, trust_env=False)
        assert answer.status_code == 204, answer.text

    def live(self, address: str) -> None:
        """Be installed, start again, and report one card with this address."""
        job = self.made["job"]["id"]
        until(lambda: self.stack.job(job)["step"] == "install", 60, "an installation is waited for")
        self.tell(type="phase", name="first boot", percent=80)
        self.tell(type="phase", name="installed", percent=100)
        until(lambda: self.stack.job(job)["step"] == "boot", 30, "the start after it is waited for")
        link = {"name": "Ethernet", "mac": self.made["vm"]["nics"][0]["mac"], "mtu": 1500, "up": True}
        who = {"boot_id": "20260102T030405Z", "hostname": "WIN-NEVER-BOOTS"}
        self.tell(type="hello", agent="innkeeper-windows/1", os="Windows", **who)
        self.tell(type="report", interfaces=[{**link, "addresses": [address]}], routes=[], dns=[], **who)
