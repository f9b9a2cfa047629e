# SPDX-License-Identifier: Apache-2.0
"""A guest with one network card whose MAC nobody knows: matched by what Ethernet cards are called, or refused."""

import pytest
import yaml

from services.common.catalog.any_card import DIALECTS as CAN
from services.common.contracts.errors import Invalid
from services.common.contracts.network import NetworkModel, Nic
from services.imagebuilder.dialects import DIALECTS

STATIC = {"addresses": ("192.0.2.10/24",), "gateway4": "192.0.2.1", "dns": ("192.0.2.53",)}


def one(**values: object) -> NetworkModel:
    return NetworkModel((Nic(mac="", network="", **values),))  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", sorted(CAN))
def test_the_only_card_is_matched_by_name_and_keeps_it(dialect: str) -> None:
    document = yaml.safe_load(DIALECTS[dialect](one(**STATIC), "web-1"))
    (link,) = document.get("network", document)["ethernets"].values()
    assert link["match"] == {"name": "e*"}
    assert "set-name" not in link
    assert link["addresses"] == ["192.0.2.10/24"]
    assert link["routes"] == [{"to": "0.0.0.0/0", "via": "192.0.2.1"}]


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - CAN))
def test_dialects_that_match_by_mac_alone_say_so(dialect: str) -> None:
    with pytest.raises(Invalid) as refusal:
        DIALECTS[dialect](one(dhcp4=True), "web-1")
    assert "/networks/0/mac" in [problem.pointer for problem in refusal.value.problems]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_of_several_cards_each_needs_its_mac(dialect: str) -> None:
    cards = (
        Nic(mac="", network="", dhcp4=True),
        Nic(mac="52:54:00:00:00:01", network="", addresses=("192.0.2.10/24",)),
    )
    with pytest.raises(Invalid) as refusal:
        DIALECTS[dialect](NetworkModel(cards), "web-1")
    assert "/networks/0/mac" in [problem.pointer for problem in refusal.value.problems]
