# SPDX-License-Identifier: Apache-2.0
"""Ids that follow from others."""

from uuid import UUID, uuid5

from services.common.contracts.ids import derived_id, new_id


def test_a_derived_id_is_the_uuid_of_its_name() -> None:
    for n in range(200):
        parent = new_id()
        assert derived_id(parent, "decision", n) == str(uuid5(UUID(parent), f"decision/{n}"))
