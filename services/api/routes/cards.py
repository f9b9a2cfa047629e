# SPDX-License-Identifier: Apache-2.0
"""The routes of a vm's cards."""

from services.api.access import Role
from services.api.handlers import cards
from services.api.route import Route
from services.api.schemas import cards as s
from services.api.schemas.pieces import Changing, Reading

VIEWER, MEMBER = Role.VIEWER, Role.MEMBER
_CARDS = "/v1/vms/{vm_id}/nics"

CARD_ROUTES = (
    Route("GET", _CARDS, cards.of_vm, VIEWER, s.NIC_PAGE, query=Reading()),
    Route("POST", _CARDS, cards.attach, MEMBER, s.NicAndJob(), s.CardAsked(), Changing(), 202),
    Route("DELETE", f"{_CARDS}/{{mac}}", cards.detach, MEMBER, s.NicAndJob(), query=Changing(), status=202),
)
