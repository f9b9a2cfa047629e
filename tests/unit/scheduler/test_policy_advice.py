# SPDX-License-Identifier: Apache-2.0
"""What is doubtful about a policy among the hosts there are is said, and it may be used all the same."""

import pytest

from services.common.contracts.placement import HostView
from services.scheduler.policy_advice import advice
from services.scheduler.policy_file import read_policy
from tests.support.placing import PLAIN, a_host

BASE = PLAIN.replace("WEIGHER", "spread").lstrip()
HOSTS = [a_host("a", zone="z", traits=("ssd",), used_vcpus=2), a_host("b", vms=1)]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("type: spread}", "type: spread}", ()),
        (
            "type: hypervisor}",
            "type: hypervisor, any_of: [xen]}",
            ("no host passes the filter 'hypervisor' now: a runs fake; the policy admits xen",),
        ),
        ("type: spread}", "type: failures}", ("the weigher 'failures' says the same of every host now",)),
        (
            "weighers:",
            "  - {type: expr, name: x, require: \"not ('gpu' in host.traits) or 'ssd' in host.traits\"}\nweighers:",
            ("no host has the trait 'gpu' that 'x' asks for",),
        ),
        (
            "weighers:",
            "capacity: {classes: [{trait: big}], headroom: {hosts: 2}}\nweighers:",
            (
                "no host passes the filter 'headroom' now: a can't be used up: 3 vCPUs and 64 MiB of memory and"
                " 1 GiB of disk would be missing after the loss of 2 hosts",
                "no host has the trait 'big' of a class in capacity",
                "headroom for 2 of 2 hosts leaves room for no vm at all",
            ),
        ),
        (
            "weighers:",
            "weighers:\n  - {type: cost, zones: {z: 0.2, nowhere: 0.1}}",
            ("no host is in the zone 'nowhere' that 'cost' has a price for",),
        ),
    ],
)
def test_doubts_are_told_in_sentences(old: str, new: str, told: tuple[str, ...]) -> None:
    assert old in BASE
    assert advice(read_policy(BASE.replace(old, new)), HOSTS) == told


def test_without_hosts_nothing_can_be_said() -> None:
    none: list[HostView] = []
    assert advice(read_policy(BASE.replace("spread", "failures")), none) == ()
