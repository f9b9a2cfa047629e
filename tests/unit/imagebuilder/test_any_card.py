# SPDX-License-Identifier: Apache-2.0
"""A guest with one network card whose MAC nobody knows: matched by what Ethernet cards are called, or refused."""

import pytest
import yaml

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.vm import Secrets
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.seed import seed_files
from tests.support.imaging import VM_ID, a_spec

CAN = {"autoinstall_network", "cloud_init_v2", "netplan"}
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


@pytest.mark.parametrize("name", sorted(systems()))
def test_a_row_takes_any_card_only_where_it_says_so(name: str) -> None:
    entry = systems()[name]
    spec = a_spec(os=name, nics=one(dhcp4=True).nics, users=(), firmware=entry.firmware[0])
    if entry.any_card:
        files = seed_files(entry, VM_ID, spec, Secrets())
        assert any(b"e*" in content for content in files.values())
        return
    with pytest.raises(Invalid) as refusal:
        seed_files(entry, VM_ID, spec, Secrets())
    assert "/networks/0/mac" in [problem.pointer for problem in refusal.value.problems]
