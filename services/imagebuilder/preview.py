# SPDX-License-Identifier: Apache-2.0
"""What would be on a guest's seed, without building anything: the answer to the question `preview`.

No secret comes with the question and none goes back: where the guest would have one, the file shows a mask.
"""

from typing import Any

from services.common.catalog import OsEntry, systems
from services.common.catalog.entries import Reports
from services.common.contracts.codec import load
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.vm import FirstBoot, Secrets, VmSpec
from services.imagebuilder.identity import CLOUD_CONFIG, SCRIPT
from services.imagebuilder.seed import seed_files

TOPIC = "preview"
MASKED_HASH = "$6$masked$masked"
_MASKED_BOOT = {
    "": "",
    FirstBoot.SCRIPT: f"{SCRIPT}/bin/sh\n# masked\n",
    FirstBoot.POWERSHELL: f"{SCRIPT}powershell\n# masked\n",
    FirstBoot.CLOUD_CONFIG: f"{CLOUD_CONFIG}\n# masked\n",
}


def _address(entry: OsEntry) -> str:
    return "https://masked/v1/guest/messages" if entry.reports == Reports.HTTPS else ""


def preview(payload: dict[str, Any]) -> dict[str, Any]:
    """`{vm, spec, passwords: [user], first_boot: a key of _MASKED_BOOT}` -> `{files: [{path, text}]}`, by path.

    Raises Invalid with the fields that the system can't have.
    """
    spec = load(VmSpec, payload["spec"])
    entry = systems().get(spec.os)
    if entry is None:
        raise Invalid(f"there is no os {spec.os!r}", [Problem("/os", "unknown here", "GET /v1/os lists them")])
    hashes = dict.fromkeys(payload["passwords"], MASKED_HASH)
    secrets = Secrets(hashes, _MASKED_BOOT[payload["first_boot"]], guest_token="masked", report_url=_address(entry))
    files = seed_files(entry, payload["vm"], spec, secrets)
    return {"files": [{"path": path, "text": content.decode("utf-8")} for path, content in sorted(files.items())]}
