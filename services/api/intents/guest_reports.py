# SPDX-License-Identifier: Apache-2.0
"""How the guest of a new vm will be heard: over its port, or over HTTPS with a token that is made here."""

import secrets as randomness
from dataclasses import replace

from services.api.call import Call
from services.common.catalog.entries import Agent, Delivery, Reports
from services.common.contracts.devices import GUEST_CHANNEL
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.vm import Secrets, VmSpec
from services.common.store.guests import token_row
from services.common.store.together import Row

PATH = "/v1/guest/messages"


def can_be_heard(call: Call, os: str) -> None:
    """Raise Invalid where the system reports over HTTPS and this installation has no address for that."""
    if _over_https_alone(call, os) and not call.parts.settings.guest_url:
        name = call.parts.systems[os].display_name
        detail = f"{name} reports over HTTPS, and this installation has no address for that"
        raise Invalid(detail, [Problem("/os", detail, "an operator sets INNKEEPER_GUEST_URL; or choose another os")])


def channel_needed(call: Call, spec: VmSpec) -> tuple[str, ...]:
    """The capability of a host that its guest can't do without to be heard at all; () where it has another way.

    Without an agent nobody is listened to, but the end of an installation is waited for all the same.
    """
    system = call.parts.systems[spec.os]
    waited_for = (spec.guest_agent and system.agent) or system.delivery == Delivery.INSTALLER
    return (GUEST_CHANNEL,) if waited_for and not _over_https(call, spec) else ()


def guest_secrets(call: Call, spec: VmSpec, own: Secrets) -> Secrets:
    """The vm's secrets, with a token where its guest may need one: on which host it will be nobody knows yet."""
    if not _over_https(call, spec):
        return own
    return replace(own, guest_token=randomness.token_urlsafe(32), report_url=call.parts.settings.guest_url + PATH)


def image_secrets(call: Call, os: str, own: Secrets) -> Secrets:
    """The same for an image without a vm: passwords of one use are made from the token; nobody listens."""
    return replace(own, guest_token=randomness.token_urlsafe(32)) if _over_https_alone(call, os) else own


def token_rows(vm_id: str, secrets: Secrets, now: float) -> list[Row]:
    """What the api needs to know the guest by its token."""
    return [token_row(vm_id, secrets.guest_token, now)] if secrets.guest_token else []


def _over_https_alone(call: Call, os: str) -> bool:
    return call.parts.systems[os].reports == Reports.HTTPS


def _over_https(call: Call, spec: VmSpec) -> bool:
    """Whether its guest can report over HTTPS. The agent in shell can't: there is nothing in it that speaks TLS."""
    if _over_https_alone(call, spec.os):
        return True
    agent = call.parts.systems[spec.os].agent
    return bool(call.parts.settings.guest_url) and spec.guest_agent and agent in (Agent.BAKED, Agent.SEEDED)
