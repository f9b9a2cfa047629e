# SPDX-License-Identifier: Apache-2.0
"""The files a guest would be set up by, asked of the image builder: it has the templates, and builds nothing for it."""

from typing import Any

from services.api.asking import said_to
from services.api.call import Call
from services.api.intents.pointers import as_asked
from services.api.refusal import refusal
from services.common.contracts.codec import dump
from services.common.contracts.vm import VmSpec, first_boot_kind

TOPIC = "preview"


def answer_files(call: Call, vm_id: str, spec: VmSpec) -> list[dict[str, str]]:
    """[{path, text}], secrets masked: none travels with the question.

    Raises Invalid with the fields that the system can't have, and TryAgain where no image builder answers.
    """
    body = call.body
    question: dict[str, Any] = {
        "vm": vm_id,
        "spec": dump(spec),
        "passwords": [user["name"] for user in body["users"] if "password" in user],
        "first_boot": first_boot_kind(body["first_boot"]),
    }
    found = said_to(call.parts, TOPIC, question)
    if "error" in found:
        refused = refusal(found["error"])
        raise type(refused)(refused.detail, as_asked(refused.problems, body))
    files: list[dict[str, str]] = found["files"]
    return files
