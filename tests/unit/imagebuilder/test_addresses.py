# SPDX-License-Identifier: Apache-2.0
"""Addresses parsed once mean what `ipaddress` says, and what was wrong stays wrong."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.contracts import addresses

TEXTS = st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:./%]{0,24}", fullmatch=True) | st.text(max_size=80)


@pytest.mark.parametrize("name", ["ip_address", "ip_interface", "ip_network"])
@given(text=TEXTS)
def test_every_text_is_what_it_is_to_the_standard_library(name: str, text: str) -> None:
    def said(parse: Callable[[str], object]) -> object:
        try:
            return parse(text)
        except ValueError as error:
            return str(error)

    ours, theirs = getattr(addresses, name), getattr(ipaddress, name)
    assert said(ours) == said(theirs)
    assert said(ours) == said(theirs), "the second time, too"


def test_a_long_scope_is_not_kept_in_memory() -> None:
    before = addresses._address.cache_info().currsize
    assert addresses.ip_address("fe80::1%" + "x" * 65536).version == 6
    assert addresses._address.cache_info().currsize == before
