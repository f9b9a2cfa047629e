# SPDX-License-Identifier: Apache-2.0
"""Which address a card gets where nobody said: reserved ones first, then the ranges, never another's."""

from services.common.contracts.address_pools import Pool, Range, Reservation

MAC = "52:54:00:00:00:01"
POOL = Pool(
    "10.80.0.0/24",
    "10.80.0.1",
    (Range("10.80.0.1", "10.80.0.3"), Range("10.80.0.10", "10.80.0.11")),
    (Reservation("10.80.0.2", name="web"), Reservation("10.80.0.200", mac=MAC.upper())),
)
FREE = {"10.80.0.3", "10.80.0.10", "10.80.0.11"}


def test_a_range_gives_each_address_once_and_neither_gateway_nor_reserved_ones() -> None:
    taken: set[str] = set()
    while found := POOL.free(taken, "a-key"):
        taken.add(found)
    assert taken == FREE


def test_different_vms_look_in_different_places_first() -> None:
    assert {POOL.free((), f"vm-{n}") for n in range(30)} == FREE


def test_a_reservation_is_found_by_name_and_by_mac_however_it_is_spelt() -> None:
    assert POOL.reserved_for("web", "") == "10.80.0.2"
    assert POOL.reserved_for("other", MAC) == "10.80.0.200"
    assert POOL.reserved_for("", "52:54:00:00:00:02") == ""
    assert POOL.reservation("10.80.0.2") is POOL.reservations[0]
    assert POOL.reservation("no address") is None


def test_a_range_as_large_as_ipv6_has_them_ends_after_so_many_tries() -> None:
    wide = Pool("2001:db8::/64", "", (Range("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),))
    found = wide.free((), "k")
    assert wide.ranges[0].holds(found)
    assert wide.with_prefix(found).endswith("/64")
