# SPDX-License-Identifier: Apache-2.0
"""Seeds of cloud images, read back: what is asked of every one of them, and its user-data as YAML."""

from typing import Any

import yaml

from tests.support.answers import answer_files

PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
ASKED: dict[str, Any] = {
    "packages": ("nginx",),
    "ntp": ("time.example.org", "192.0.2.123"),
    "proxy": "http://proxy.example.org:3128",
    "ca_certificates": (PEM, PEM),
}


def user_data(row: str, **changes: Any) -> Any:
    """The document cloud-init gets; Invalid where the row can't be set up so."""
    text = answer_files(row, "N2-one-static-v4", **changes)["user-data"]
    assert text.startswith(b"#cloud-config\n")
    return yaml.safe_load(text)
