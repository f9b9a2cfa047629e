# SPDX-License-Identifier: Apache-2.0
"""What the demo asks for: the same as ever on one kind of hosts, and something for each where there are two."""

from deploy.local import demo
from innkeeper.models.host import Host

LIBVIRT, VSPHERE = Host(id="1", name="here", driver="libvirt"), Host(id="2", name="there", driver="vsphere")


def test_one_host_gets_the_plain_demo_unchanged() -> None:
    assert demo.wanted([LIBVIRT]) is demo.WANTED
    assert not any("hypervisor" in spec for spec in demo.WANTED)


def test_two_kinds_get_vms_of_their_own_and_one_for_the_policy_to_place() -> None:
    asked = {spec["name"]: spec.get("hypervisor", "") for spec in demo.wanted([LIBVIRT, VSPHERE])}
    assert asked == {"mini": "libvirt", "debian-12": "libvirt", "on-vsphere": "vsphere", "anywhere": ""}
