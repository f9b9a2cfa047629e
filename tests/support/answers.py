# SPDX-License-Identifier: Apache-2.0
"""The golden matrix: every row of a family against every column of the network model, one text a cell."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from services.common.catalog import systems, template
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Firmware, Secrets, UserSpec
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.seed import seed_files
from tests.support.imaging import COLUMNS, SECRETS, VM_ID, a_spec

GOLDEN = Path(__file__).parents[1] / "golden" / "answers"
# Families that take no user's password hash: their users have keys, and names of their own.
KEYS_ONLY = ("esxi", "windows")
KEYED_USERS = (UserSpec("ops", ("ssh-ed25519 AAAAC3Nz ops@desk",)), UserSpec("visitor", sudo=False))
# What is left of a spec for a guest that nobody logs in to.
NOBODY: dict[str, Any] = {"users": (), "domain": ""}
KEYED_SECRETS = Secrets(guest_token="a-token-of-this-vm", report_url="https://inn.example.org/v1/guest/messages")


def rows_of(family: str) -> list[str]:
    """The names of a family's rows."""
    return sorted(name for name, entry in systems().items() if entry.family == family)


def answer_files(row: str, column: str, **changes: object) -> dict[str, bytes]:
    """The files of one cell; Invalid where the row can't say the column."""
    entry, model = systems()[row], COLUMNS[column]
    firmware = Firmware.BIOS if Firmware.BIOS in entry.firmware else Firmware.UEFI
    links = {"nics": model.nics, "bonds": model.bonds, "vlans": model.vlans}
    keyed = entry.family in KEYS_ONLY
    own = {"users": KEYED_USERS} if keyed else NOBODY if entry.family == "mini" else {}
    spec = a_spec(os=row, **{"firmware": firmware, **links, **own, **changes})
    return seed_files(entry, VM_ID, spec, KEYED_SECRETS if keyed else SECRETS)


def answer_text(row: str, column: str, **changes: object) -> str:
    """All files of a cell under their paths, or its refusals as `422 pointer: reason; fix` lines."""
    try:
        files = answer_files(row, column, **changes)
    except Invalid as refused:
        return "".join(f"422 {p.pointer}: {p.detail}; {p.fix}\n" for p in refused.problems)
    text = "".join(f"--- {path}\n{_shown(row, path, content)}\n" for path, content in sorted(files.items()))
    for name in systems()[row].payloads.values():
        if "{{" not in (script := template(systems()[row].family, name)):
            text = text.replace(b64encode(script.encode()).decode(), f"({name})")
    # The agents' own bytes change with the agents, and are nobody's to read.
    text = text.replace(b64encode(guest_agent.shell_script()).decode(), "(the guest agent in shell)")
    return text.replace(b64encode(guest_agent.pyz()).decode(), "(the guest agent)")


def _shown(row: str, path: str, content: bytes) -> str:
    """The file's text, or its template's name where that is the same for everybody."""
    entry = systems()[row]
    name = entry.seed.get(path)
    return content.decode().rstrip() if name is None or "{{" in template(entry.family, name) else f"({name})"


def compare_with_golden(row: str, column: str, name: str = "", **changes: object) -> None:
    """The cell is what its golden file says, called by the column or the name; UPDATE_GOLDEN=1 writes that file."""
    written, golden = answer_text(row, column, **changes), GOLDEN / row / f"{name or column}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written)
    assert written == golden.read_text(), f"{golden.name} of {row} has changed"
