# SPDX-License-Identifier: Apache-2.0
"""The process table's order, and how long a crashing process waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.spec import Spec, backoff, layers


def spec(name: str, *after: str) -> Spec:
    return Spec(name, ["true"], {}, Path("/dev/null"), after=after)


def test_a_layer_needs_only_earlier_layers() -> None:
    assert layers([spec("api", "db", "bus"), spec("db"), spec("bus"), spec("ui", "api")]) == [
        ["bus", "db"],
        ["api"],
        ["ui"],
    ]


@pytest.mark.parametrize("table", [[spec("a", "b"), spec("b", "a")], [spec("a", "ghost")]])
def test_a_circular_or_unknown_dependency_is_refused(table: list[Spec]) -> None:
    with pytest.raises(ValueError, match="process table"):
        layers(table)


def test_a_crashing_process_waits_from_a_fifth_of_a_second_to_ten() -> None:
    assert [backoff(n) for n in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert backoff(50) == 10.0
