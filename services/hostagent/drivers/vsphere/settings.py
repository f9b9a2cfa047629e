# SPDX-License-Identifier: Apache-2.0
"""The agent's `vsphere` mapping, checked whole. Needs no library of the vendor's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.common.contracts.errors import HostFailed

_REQUIRED = ("url", "user", "password_file")
_TRUST = ("ca_file", "thumbprint")
_PLACE = ("datacenter", "cluster", "host", "datastore", "folder", "resource_pool")
_KNOWN = (*_REQUIRED, *_TRUST, *_PLACE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class VsphereSettings:
    """Where the hypervisor is and what of it is ours. An empty name: the only one there is, or a name derived."""

    url: str
    user: str
    password_file: Path
    ca_file: str = ""
    thumbprint: str = ""  # sha256, lower-case hex
    datacenter: str = ""
    compute: str = ""  # the cluster's name, or the name of a host that is in none
    datastore: str = ""
    folder: str = ""
    resource_pool: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        where = urlsplit(self.url)
        return where.hostname or "", where.port or 443

    def password(self) -> str:
        """Read anew for each sign-in, so that it can be changed without a restart; HostFailed when it can't be read."""
        try:
            found = self.password_file.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise HostFailed(f"vsphere.password_file {self.password_file} can't be read: {error}") from error
        if not found:
            raise HostFailed(f"vsphere.password_file {self.password_file} is empty")
        return found


def vsphere_problems(data: Any) -> list[str]:
    """All that is wrong with the mapping, each line naming its key."""
    if not isinstance(data, dict):
        return [f"vsphere: give a mapping with {', '.join(_REQUIRED)}"]
    problems = [f"vsphere.{key}: missing" for key in _REQUIRED if not data.get(key)]
    problems += [f"vsphere.{key}: unknown key; known are {', '.join(_KNOWN)}" for key in data if key not in _KNOWN]
    problems += [f"vsphere.{key}: not a text" for key in _KNOWN if not isinstance(data.get(key, ""), str)]
    return problems or _url_problems(data["url"]) + _choice_problems(data)


def read_settings(data: Mapping[str, Any]) -> VsphereSettings:
    """The checked mapping as settings."""
    return VsphereSettings(
        url=data["url"].rstrip("/"),
        user=data["user"],
        password_file=Path(data["password_file"]),
        ca_file=data.get("ca_file", ""),
        thumbprint=_bare(data.get("thumbprint", "")),
        datacenter=data.get("datacenter", ""),
        compute=data.get("cluster", "") or data.get("host", ""),
        datastore=data.get("datastore", ""),
        folder=data.get("folder", "").strip("/"),
        resource_pool=data.get("resource_pool", ""),
    )


def _url_problems(url: str) -> list[str]:
    where = urlsplit(url)
    if where.scheme != "https" or not where.hostname:
        return [f"vsphere.url: {url!r} is no https address; there is no way without TLS"]
    if where.username or where.password:
        return ["vsphere.url: leave user and password out, they have keys of their own"]
    if where.path.strip("/") or where.query or where.fragment:
        return [f"vsphere.url: give https://{where.netloc} without a path"]
    return []


def _choice_problems(data: Mapping[str, Any]) -> list[str]:
    problems = []
    if not Path(data["password_file"]).is_absolute():
        problems.append(f"vsphere.password_file: {data['password_file']!r} is not absolute")
    if data.get("cluster") and data.get("host"):
        problems.append("vsphere.host: give a cluster, or a host that is in none, not both")
    if data.get("ca_file") and data.get("thumbprint"):
        problems.append("vsphere.thumbprint: give ca_file or thumbprint, not both")
    if data.get("thumbprint") and not _SHA256.fullmatch(_bare(data["thumbprint"])):
        problems.append("vsphere.thumbprint: give the certificate's sha256 as 64 hex digits, with or without colons")
    return problems


def _bare(thumbprint: str) -> str:
    return thumbprint.replace(":", "").lower()
