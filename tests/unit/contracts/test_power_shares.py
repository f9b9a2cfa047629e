# SPDX-License-Identifier: Apache-2.0
"""A host's watts are shared out whole: the vms' shares sum to what it draws."""

from math import isclose
from random import Random

import pytest

from services.common.contracts.power_shares import Share, Tenant, shares


def test_idle_watts_go_by_claims_and_the_rest_by_measured_cpu_time() -> None:
    found = shares(200.0, 120.0, [Tenant("a", 3, cores=0.0), Tenant("b", 1, cores=2.0)])
    assert found == {"a": Share(90.0, 0.0), "b": Share(30.0, 80.0)}


def test_where_one_was_not_measured_all_go_by_claims() -> None:
    found = shares(200.0, 120.0, [Tenant("a", 3, cores=None), Tenant("b", 1, cores=2.0)])
    assert found == {"a": Share(90.0, 60.0), "b": Share(30.0, 20.0)}


def test_one_that_is_off_has_idle_watts_only() -> None:
    found = shares(200.0, 100.0, [Tenant("a", 1, running=False, cores=None), Tenant("b", 1, cores=0.5)])
    assert found == {"a": Share(50.0, 0.0), "b": Share(50.0, 100.0)}


def test_an_empty_host_has_nobody_to_share_with() -> None:
    assert shares(100.0, 50.0, []) == {}


def test_a_host_below_its_idle_watts_shares_what_it_draws() -> None:
    assert shares(40.0, 60.0, [Tenant("a", 1), Tenant("b", 1)]) == {"a": Share(20.0, 0.0), "b": Share(20.0, 0.0)}


@pytest.mark.parametrize("seed", range(200))
def test_shares_sum_to_the_host_s_watts(seed: int) -> None:
    random = Random(seed)
    tenants = [
        Tenant(f"vm{n}", random.choice((0, 1, 2, 64)), random.random() < 0.8, random.choice((None, 0.0, 0.1, 9.5)))
        for n in range(random.randrange(1, 60))
    ]
    watts, idle = random.choice((0.0, 0.4, 350.0)), random.choice((0.0, 120.0, 900.0))
    found = shares(watts, idle, tenants)
    assert isclose(sum(share.watts for share in found.values()), watts, rel_tol=1e-9, abs_tol=1e-9)
    assert all(share.idle >= 0 and share.dynamic >= 0 for share in found.values())
