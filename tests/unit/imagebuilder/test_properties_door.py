# SPDX-License-Identifier: Apache-2.0
"""Random requests through the door vms come in by: its grammar, then its resolution, then the files of an image.

Nothing hostile at any place of the JSON is a crash: it is refused by field, or a value in the files.
"""

from typing import Any

import pytest
from marshmallow import ValidationError

from services.api.access import Role
from services.api.intents.resolve import World, resolve
from services.api.schemas.vms import VmAsked
from services.common.catalog import systems
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.common.contracts.vm import Secrets
from tests.support.arbitrary import HASH, Wish
from tests.support.arbitrary_bodies import NETWORK, a_body
from tests.support.imaging import VM_ID
from tests.support.wish_rules import check, well_refused

EACH = 60
BRIDGE = NetworkPlan("net-1", NETWORK, NetworkKind.BRIDGE, bridge="br0")
WORLD = World(systems(), {}, {NETWORK: BRIDGE}, {}, Role.MEMBER)
SCHEMA = VmAsked()


def messages(found: Any) -> list[Any]:
    """All that marshmallow says, wherever it hangs."""
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [text for one in inner for text in messages(one)] if inner else [found]


def through(row: str, body: dict[str, Any]) -> str:
    """How far the request came: "grammar", "resolved", "refused" by the builder, or "granted"."""
    try:
        asked = SCHEMA.load(body)
    except ValidationError as error:
        said = messages(error.messages)
        assert said
        assert all(isinstance(text, str) and text for text in said)
        return "grammar"
    spec, problems = resolve(VM_ID, asked, WORLD, for_image=True)
    if spec is None:
        well_refused(problems)
        return "resolved"
    hashes = {user["name"]: HASH for user in asked["users"] if "password" in user}
    wish = Wish(spec, Secrets(hashes, asked["first_boot"], "0123456789abcdef"))
    return "granted" if check(systems()[row], wish) else "refused"


@pytest.mark.parametrize("row", sorted(systems()))
def test_any_request_is_refused_by_field_or_becomes_files_in_which_values_are_values(row: str) -> None:
    ends: dict[str, int] = {"grammar": 0, "resolved": 0, "refused": 0, "granted": 0}
    for number in range(EACH):
        body = a_body(systems()[row], number)
        try:
            ends[through(row, body)] += 1
        except Exception as error:
            error.add_note(f"request {number} for {row}: {str(body)[:3000]}")
            raise
    assert ends["granted"], "the requests are too wild to show anything"
    assert ends["grammar"], "the requests are too tame to show anything"
