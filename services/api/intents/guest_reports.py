# SPDX-License-Identifier: Apache-2.0
"""How the guest of a new vm will be heard: over its port, or over HTTPS with a token that is made here."""

import secrets as randomness
from dataclasses import replace

from services.api.call import Call
from services.common.catalog.entries import Reports
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.vm import Secrets
from services.common.store.guests import token_row
from services.common.store.together import Row

PATH = "/v1/guest/messages"


def can_be_heard(call: Call, os: str) -> None:
    """Raise Invalid where the system reports over HTTPS and this installation has no address for that."""
    if _over_https(call, os) and not call.parts.settings.guest_url:
        name = call.parts.systems[os].display_name
        detail = f"{name} reports over HTTPS, and this installation has no address for that"
        raise Invalid(detail, [Problem("/os", detail, "an operator sets INNKEEPER_GUEST_URL; or choose another os")])


def guest_secrets(call: Call, os: str, own: Secrets) -> Secrets:
    """The vm's secrets, with a token where its guest needs one."""
    if not _over_https(call, os):
        return own
    return replace(own, guest_token=randomness.token_urlsafe(32), report_url=call.parts.settings.guest_url + PATH)


def image_secrets(call: Call, os: str, own: Secrets) -> Secrets:
    """The same for an image without a vm: passwords of one use are made from the token; nobody listens."""
    return replace(own, guest_token=randomness.token_urlsafe(32)) if _over_https(call, os) else own


def token_rows(vm_id: str, secrets: Secrets, now: float) -> list[Row]:
    """What the api needs to know the guest by its token."""
    return [token_row(vm_id, secrets.guest_token, now)] if secrets.guest_token else []


def _over_https(call: Call, os: str) -> bool:
    return call.parts.systems[os].reports == Reports.HTTPS
