# SPDX-License-Identifier: Apache-2.0
"""Texts that once broke a file or an answer: each is refused by its field now, in a sentence of bearable length."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.common.catalog import systems
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import Route
from services.common.contracts.vm import UserSpec
from services.imagebuilder.documents import render
from services.imagebuilder.seed import seed_files
from tests.support.imaging import SECRETS, VM_ID, a_nic, a_spec

LONG = "x" * 65536
ROWS = ("debian-12", "debian-12-installer", "rocky-9-installer", "flatcar-stable", "sles-15-sp7-installer")


def refusals(row: str, changes: Mapping[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as refused:
        seed_files(systems()[row], VM_ID, a_spec(os=row, **changes), SECRETS)
    return refused.value.problems


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    "key", ["ssh-ed25519 AAAA \ud800", "ssh-ed25519 AAAA a\nssh-rsa AAAA b", "", " ", "k\x00", "--username=root k"]
)
def test_a_key_that_is_not_one_line_of_text_is_refused(row: str, key: str) -> None:
    (problem,) = refusals(row, {"users": (UserSpec("ops"), UserSpec("eve", ("k", key)))})
    assert problem.pointer == "/users/1/ssh_keys/1"
    assert problem.fix


@pytest.mark.parametrize(
    "pointer, changes",
    [
        ("/hostname", {"hostname": LONG}),
        ("/packages", {"packages": ("\n" + LONG,)}),
        ("/networks/0/addresses/0", {"nics": (a_nic(addresses=(LONG,)),)}),
        ("/networks/0/addresses/0", {"nics": (a_nic(addresses=("fe80::1%" + LONG + "/64",)),)}),
        ("/networks/0/routes/0/to", {"nics": (a_nic(dhcp4=True, routes=(Route(LONG, "192.0.2.1"),)),)}),
        ("/networks/0/name", {"nics": (a_nic(dhcp4=True, name=LONG),)}),
        ("/networks/0/search/0", {"nics": (a_nic(dhcp4=True, search=(LONG,)),)}),
    ],
)
def test_a_long_text_is_not_repeated_whole(pointer: str, changes: dict[str, Any]) -> None:
    problems = refusals("debian-12", changes)
    assert pointer in [problem.pointer for problem in problems]
    assert max(len(problem.detail) for problem in problems) < 500


def test_half_a_character_is_no_crash_whatever_the_syntax() -> None:
    for family, template in (("debian", "meta-data.j2"), ("ubuntu-installer", "meta-data.j2")):
        with pytest.raises(Invalid) as refused:
            render(family, template, {"hostname": "h\ud800", "vm_id": VM_ID})
        assert refused.value.problems[0].fix


@pytest.mark.parametrize("zone", ["--nontp", "-x", "+1", "A" * 64, "a/b/c/d"])
def test_a_time_zone_is_never_an_option_of_an_installers_command(zone: str) -> None:
    assert [problem.pointer for problem in refusals("rocky-9-installer", {"timezone": zone})] == ["/timezone"]


def test_a_domain_has_a_longest_length() -> None:
    assert [problem.pointer for problem in refusals("debian-12", {"domain": "a." * 100 + "b"})] == ["/domain"]


def test_a_firmware_is_not_repeated_whole() -> None:
    (problem,) = refusals("debian-12", {"firmware": LONG})
    assert (problem.pointer, len(problem.detail) < 500) == ("/firmware", True)
