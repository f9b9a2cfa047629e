# SPDX-License-Identifier: Apache-2.0
"""What guests without a port to their host tell over HTTPS. It is kept for the conductor; nothing is decided here."""

import json

from services.api.call import Answer, Call
from services.common.contracts.errors import Invalid, Problem, TooLarge, Unauthenticated
from services.common.contracts.guest import MAX_LINE
from services.common.contracts.guest_message import Unfit, read_message
from services.common.store.guests import GuestMessage, vm_of_token

_LONGEST_TOKEN = 256


def tell(call: Call) -> Answer:
    """Tell a message of the guest protocol, with the bearer token that was made for this vm alone."""
    vm_id = _teller(call)
    call.parts.limits.guest(vm_id)
    line = json.dumps(call.body).encode()
    if len(line) > MAX_LINE:
        raise TooLarge(f"a message has at most {MAX_LINE} bytes")
    try:
        message = read_message(line)
    except Unfit as error:
        fix = "docs/api.md, Guests, shows what is understood"
        raise Invalid("the message can't be used", [Problem("/", str(error), fix)]) from error
    with call.parts.database.write() as db:
        db.add(GuestMessage(vm_id=vm_id, message=message, at=call.now))
    return Answer(None, 204)


def _teller(call: Call) -> str:
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and 0 < len(token) <= _LONGEST_TOKEN:
        with call.parts.database.ask() as db:
            vm_id = vm_of_token(db, token.strip())
        if vm_id is not None:
            return vm_id
    call.parts.limits.stranger(call.address)
    raise Unauthenticated("this needs the token that was made for a vm's guest; a deleted vm has none")
