# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: what would be written for one. Asks the image builder; nothing is built or kept."""

from services.api.call import Answer, Call
from services.api.handlers.answer_files import answer_files
from services.api.intents.resolve import resolve
from services.api.intents.world import world_for
from services.common.contracts.errors import Invalid
from services.common.contracts.ids import new_id


def preview(call: Call) -> Answer:
    """The files a guest of this description would be set up by; secrets are masked."""
    body, vm_id = call.body, new_id()
    with call.parts.database.read() as db:
        world = world_for(call, db, body)
    spec, problems = resolve(vm_id, body, world, for_image=True)
    if spec is None:
        raise Invalid("the image can't be made as asked", problems)
    return Answer({"os": spec.os, "files": answer_files(call, vm_id, spec)})
