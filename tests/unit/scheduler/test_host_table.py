# SPDX-License-Identifier: Apache-2.0
"""The columns say what the hosts said, through claims, departures and growth."""

from dataclasses import replace

import pytest

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.table import HostTable, rows_of

A = HostView("a", "alpha", "fake", "up", "z1", ("ssd",), 8, 8192, 100, heartbeat_age_s=3.0, power_curve=(50.0, 100.0))
WEB = Request("v1", 2, 1024, 10, labels={"app": "web"})


def test_a_view_of_a_row_is_the_host_with_what_was_claimed_since() -> None:
    table = HostTable([A], now=100.0)
    row = table.row("a")
    table.claim(row, WEB)
    table.now = 105.0
    expected = replace(
        A, used_vcpus=2, used_memory_mib=1024, used_disk_gib=10, vms=1, heartbeat_age_s=8.0, members={"app=web": 1}
    )
    assert table.view(row) == expected
    table.claim(row, WEB, times=-1)
    table.now = 100.0
    assert table.view(row) == A


def test_rows_are_used_again_and_bring_nothing_along() -> None:
    table = HostTable([A], now=0.0)
    table.claim(0, WEB)
    table.drop("a")
    assert len(table) == 0
    with pytest.raises(KeyError):
        table.view(0)
    other = replace(A, id="b", traits=())
    assert table.put(other, 0.0) == 0
    assert table.members("app=web").tolist() == [0]
    assert table.having("traits", "ssd").tolist() == [False]
    assert rows_of(table, ["b", "a"]).tolist() == [0]


def test_a_table_grows_and_keeps_what_it_knows() -> None:
    hosts = [replace(A, id=f"h{n}", zone=f"z{n % 3}", traits=("ssd",) if n % 2 else ()) for n in range(200)]
    table = HostTable(hosts[:60])
    table.claim(7, WEB)
    for host in hosts[60:]:
        table.put(host, 0.0)
    assert len(table) == 200
    assert table.having("traits", "ssd").sum() == 100
    assert table.members("app=web")[7] == 1
    assert [table.view(table.row(h.id)).zone for h in hosts] == [h.zone for h in hosts]
    assert table.curve[150].tolist() == [50.0 + 5 * n for n in range(11)]


def test_each_change_is_in_the_log_and_counts_in_the_generation() -> None:
    table = HostTable([A, replace(A, id="b")])
    before, slow = table.generation, table.puts.count
    table.claim(1, WEB)
    assert (table.generation, table.puts.count, table.log.ring[table.log.count - 1]) == (before + 1, slow, 1)
    table.put(replace(A, cpu_percent=40.0), 0.0)
    assert (table.generation, table.puts.count, table.log.ring[table.log.count - 1]) == (before + 2, slow + 1, 0)
