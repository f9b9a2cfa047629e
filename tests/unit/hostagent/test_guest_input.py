# SPDX-License-Identifier: Apache-2.0
"""A guest may send anything. Nothing crashes, nothing exceeds its bounds."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.guest import MAX_INTERFACES, MAX_LINE, MAX_LOG, TYPES
from services.common.contracts.guest_message import _SCHEMAS, Unfit, read_message
from services.hostagent.guest_input import Lines

INTERFACE = {"name": "eth0", "mac": "52:54:00:00:00:01", "mtu": 1500, "up": True, "addresses": ["192.0.2.5/24"]}
REPORT: dict[str, Any] = {
    "type": "report",
    "boot_id": "b",
    "hostname": "web",
    "interfaces": [INTERFACE],
    "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1", "dev": "eth0", "metric": 100}],
    "dns": ["192.0.2.1", "2001:db8::1"],
}
GOOD: list[dict[str, Any]] = [
    {"type": "hello", "agent": "a/1", "boot_id": "b", "hostname": "web", "os": "Debian GNU/Linux 12 (bookworm)"},
    {"type": "phase", "name": "network"},
    {"type": "phase", "name": "network", "percent": 50},
    REPORT,
    {"type": "load", "load1": 0.5, "memory_total_mib": 512, "memory_free_mib": 100, "disks": []},
    {"type": "heartbeat", "uptime_s": 12.5},
    {"type": "failed", "phase": "cloud-init", "log": "line\n\tline"},
]
BAD: list[Any] = [
    [],
    "hello",
    None,
    {},
    {"type": []},
    {"type": "ask"},
    {"type": "hello", "agent": "a"},
    {**GOOD[0], "hostname": "x" * 256},
    {**GOOD[0], "hostname": 5},
    {**GOOD[1], "percent": 101},
    {**GOOD[1], "percent": -1},
    {**GOOD[1], "percent": True},
    {"type": "heartbeat", "uptime_s": "12"},
    {"type": "heartbeat", "uptime_s": 1e300},
    {**REPORT, "interfaces": [INTERFACE] * (MAX_INTERFACES + 1)},
    {**REPORT, "interfaces": [{**INTERFACE, "addresses": ["192.0.2.5/99"]}]},
    {**REPORT, "interfaces": [{**INTERFACE, "addresses": ["fe80::1%eth0/64"]}]},
    {**REPORT, "interfaces": [{**INTERFACE, "mac": "<script>"}]},
    {**REPORT, "interfaces": [{**INTERFACE, "up": 1}]},
    {**REPORT, "interfaces": {"eth0": INTERFACE}},
    {**REPORT, "dns": ["resolver"]},
    {**REPORT, "routes": [{"to": "anywhere", "via": "192.0.2.1", "dev": "eth0"}]},
]


def as_line(message: Any) -> bytes:
    return json.dumps(message).encode()


def test_there_is_a_schema_for_every_type_of_the_protocol() -> None:
    assert set(_SCHEMAS) == set(TYPES)


@pytest.mark.parametrize("message", GOOD, ids=lambda m: m["type"])
def test_what_the_protocol_knows_comes_through(message: dict[str, Any]) -> None:
    assert read_message(as_line(message)) == message


@pytest.mark.parametrize("message", BAD, ids=range(len(BAD)))
def test_what_it_does_not_know_is_dropped(message: Any) -> None:
    with pytest.raises(Unfit):
        read_message(as_line(message))


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"\xff\xfe", b'{"type":"heartbeat","uptime_s":NaN}', b"[" * 60000, b'{"a":' * 20000, b"1" * 60000],
    ids=["empty", "cut", "no-utf8", "nan", "deep-list", "deep-object", "long-number"],
)
def test_broken_json_is_dropped(line: bytes) -> None:
    with pytest.raises(Unfit):
        read_message(line)


def test_unknown_keys_are_left_out() -> None:
    assert read_message(as_line({**GOOD[5], "vm": "somebody-else", "type": "heartbeat"})) == GOOD[5]


def test_control_characters_do_not_reach_a_terminal_or_a_log() -> None:
    hello = read_message(as_line({**GOOD[0], "hostname": "a\x1b[31mb\nc\u202e\ud800"}))
    assert hello["hostname"].replace("�", "") == "a[31mbc"


def test_a_long_log_keeps_its_end() -> None:
    log = read_message(as_line({"type": "failed", "phase": "p", "log": "é" * 9000 + "the reason"}))["log"]
    assert log.endswith("the reason")
    assert len(log.encode()) <= MAX_LOG


def test_a_default_route_may_be_called_default() -> None:
    message = {**REPORT, "routes": [{"to": "default", "via": "192.0.2.1", "dev": "eth0"}]}
    assert read_message(as_line(message))["routes"][0]["to"] == "0.0.0.0/0"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)
keys = sorted({key for schema in _SCHEMAS.values() for key in schema})


@given(st.binary(max_size=2000))
def test_random_bytes_never_do_more_than_be_unfit(data: bytes) -> None:
    try:
        read_message(data)
    except Unfit:
        return


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(keys), json_values, max_size=8))
def test_random_values_in_known_keys_never_do_more_than_be_unfit(kind: str, values: dict[str, Any]) -> None:
    try:
        message = read_message(json.dumps({**values, "type": kind}).encode("utf-8", "replace"))
    except Unfit:
        return
    assert set(message) <= {"type", *_SCHEMAS[kind]}
    assert len(json.dumps(message)) <= 4 * MAX_LINE
    json.dumps(message, allow_nan=False).encode("utf-8")


@given(st.lists(st.binary(max_size=200) | st.just(b"x" * MAX_LINE) | st.just(b"\n"), max_size=12))
def test_lines_hold_no_more_than_one_line(parts: list[bytes]) -> None:
    lines, found = Lines(), []
    for part in parts:
        found += list(lines.feed(part))
        assert len(lines._rest) <= MAX_LINE
    whole = b"".join(parts).split(b"\n")[:-1]
    assert found == [line for line in whole if len(line) <= MAX_LINE and line.strip()]


def test_an_overlong_line_is_dropped_and_the_next_one_heard() -> None:
    lines = Lines()
    for _ in range(10):
        assert list(lines.feed(b"x" * MAX_LINE)) == []
    assert list(lines.feed(b"x\nfine\n")) == [b"fine"]
    assert lines.dropped == 1
