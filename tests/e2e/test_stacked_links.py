# SPDX-License-Identifier: Apache-2.0
"""Bonds and VLANs of a real guest, asked for by one request and seen from inside."""

from typing import Any

import pytest

from tests.e2e.conftest import gone
from tests.support.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

LINKS: dict[str, Any] = {
    "networks": [{"network": "lab", "bond": "bond0"}, {"network": "lab", "bond": "bond0"}, {"network": "default"}],
    "bonds": [{"name": "bond0", "addresses": ["10.78.0.51/24"]}],
    "vlans": [{"id": 20, "over": "bond0", "addresses": ["192.0.2.51/24"], "mtu": 1400}],
}


def test_a_bond_and_a_vlan_on_it_are_set_up_and_verified(real: Stack) -> None:
    made = real.create("stacked-1", os="debian-12", flavor="medium", **LINKS)
    job = real.finish(made["job"]["id"], 1200)
    assert job["state"] == "succeeded", job
    vm = real.vm(made["vm"]["id"])
    assert vm["state"] == "ready", (job, vm)
    seen = {link["name"]: link for link in vm["observed"]["interfaces"]}
    assert "10.78.0.51/24" in seen["bond0"]["addresses"]
    assert "192.0.2.51/24" in seen["vlan20"]["addresses"]
    assert seen["vlan20"]["mtu"] == 1400
    assert any(address.startswith("10.77.0.") for address in seen["eth2"]["addresses"])
    assert not seen["eth0"]["addresses"]
    gone(real, vm["id"])
