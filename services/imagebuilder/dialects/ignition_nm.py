# SPDX-License-Identifier: Apache-2.0
"""NetworkManager's keyfiles for Fedora CoreOS, as entries of an Ignition config's storage.files, one a line.

What can be said is what networkmanager.py can say. A keyfile is root's alone, or NetworkManager ignores it.
"""

from services.common.contracts.network import NetworkModel
from services.imagebuilder.dialects import networkmanager
from services.imagebuilder.dialects.ignition import file_entries


def render(model: NetworkModel, hostname: str) -> bytes:
    """The entries, with commas between them. The host's name is none of their business."""
    keys = {f"{networkmanager.FOLDER}/{name}": text for name, text in networkmanager.keyfiles(model).items()}
    links = {f"{networkmanager.LINK_FOLDER}/{name}": text for name, text in networkmanager.link_files(model).items()}
    return b",\n".join(part for part in (file_entries(keys, 0o600), file_entries(links)) if part)
