# SPDX-License-Identifier: Apache-2.0
"""URLs and servers that guests are told: what passes, and what is refused without being repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.contracts.guest_words import server_problem, url_problem

GOOD_URLS = [
    "http://mirror.example.org",
    "https://mirror.example.org/debian/",
    "http://192.0.2.1:3128",
    "http://[2001:db8::1]:3142/x",
    "https://mirror.example.org/a%20b/~me/x.y+z",
]
BAD_URLS = [
    "",
    "ftp://mirror.example.org",
    "mirror.example.org",
    "http://",
    "http://user:secret@proxy.example.org",
    "http://proxy.example.org:0",
    "http://proxy.example.org:99999",
    "http://proxy.example.org/\nx",
    "http://proxy.example.org\n",
    "http://proxy.example.org/?a=b",
    "http://proxy.example.org/'x",
    "http://-x.example.org",
    "http://[::1",
    "http://[fe80::1%eth0]/",
    "http://999.1.1.1/",
    "http://example.org/" + "x" * 1024,
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_url_that_a_guest_may_have(url: str) -> None:
    assert url_problem(url) == ""


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_no_guest_may_have(url: str) -> None:
    problem = url_problem(url)
    assert problem
    assert "secret" not in problem


@pytest.mark.parametrize("server", ["ntp", "0.pool.ntp.org", "192.0.2.1", "2001:db8::1"])
def test_a_server_by_name_or_address(server: str) -> None:
    assert server_problem(server) == ""


@pytest.mark.parametrize(
    "server", ["", "a b", "-x", "x.", "1.2.3", "1.2.3.999", "2001:db8::x", "a;b", "[::1]", "fe80::1%x"]
)
def test_what_is_no_server(server: str) -> None:
    assert server_problem(server)


@given(st.text(max_size=40))
def test_whatever_passes_has_nothing_that_ends_a_word(text: str) -> None:
    for found, problem in ((text, server_problem(text)), (f"http://{text}", url_problem(f"http://{text}"))):
        assert problem or not set(found) & set(" \t\r\n'\"`$;&|<>(){}\\,#@*?!\x00\u2028")
