# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: what would be written for one. Asks the image builder; nothing is built or kept."""

from typing import Any

from services.api.call import Answer, Call
from services.api.handlers.placements import refusal
from services.api.intents.resolve import resolve
from services.api.intents.world import world_for
from services.common.contracts.codec import dump
from services.common.contracts.errors import Invalid
from services.common.contracts.ids import new_id
from services.common.contracts.vm import first_boot_kind
from services.common.runtime.ask import ask

TOPIC = "preview"


def preview(call: Call) -> Answer:
    """The files a guest of this description would be set up by; secrets are masked."""
    body, vm_id = call.body, new_id()
    with call.parts.database.read() as db:
        world = world_for(call, db, body)
    spec, problems = resolve(vm_id, body, world, for_image=True)
    if spec is None:
        raise Invalid("the image can't be made as asked", problems)
    question: dict[str, Any] = {
        "vm": vm_id,
        "spec": dump(spec),
        "passwords": [user["name"] for user in body["users"] if "password" in user],
        "first_boot": first_boot_kind(body["first_boot"]),
    }
    found = ask(call.parts.settings.redis_url, TOPIC, question, 5.0)
    if "error" in found:
        raise refusal(found["error"])
    return Answer({"os": spec.os, **found})
