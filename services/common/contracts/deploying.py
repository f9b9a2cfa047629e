# SPDX-License-Identifier: Apache-2.0
"""What a host is told to define: the image builder's facts, and the vm's sizes and NICs. Pure."""

from collections.abc import Mapping
from typing import Any

from services.common.contracts.codec import load
from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan, NicPlan
from services.common.contracts.devices import Devices
from services.common.contracts.errors import HostFailed
from services.common.contracts.journal import JobView
from services.common.contracts.network import Bond, NetworkModel, NetworkPlan, Nic
from services.common.contracts.orders import vm_of
from services.common.contracts.vm import hypervisor_name, hypervisor_uuid


def deploy_plan(job: JobView, networks: Mapping[str, NetworkPlan]) -> DeployPlan:
    """What the host shall define: the image builder's facts, and the vm's sizes and NICs."""
    vm = vm_of(job)
    built = job.facts.get("build")
    if built is None:
        raise HostFailed("there is no image for this vm: the step 'build' left no facts")
    return DeployPlan(
        uuid=hypervisor_uuid(vm.id),
        name=hypervisor_name(vm.id, vm.name),
        vcpus=vm.spec.vcpus,
        memory_mib=vm.spec.memory_mib,
        disks=tuple(load(DiskPlan, disk) for disk in built["disks"]),
        nics=tuple(nic_plan(nic, networks, vm.spec.network) for nic in vm.spec.nics),
        kernel=_artifact(built.get("kernel")),
        initrd=_artifact(built.get("initrd")),
        cmdline=built.get("cmdline", ""),
        firmware=built.get("firmware", "bios"),
        os=vm.spec.os,
        devices=load(Devices, built.get("devices", {})),
    )


def nic_plan(nic: Nic, networks: Mapping[str, NetworkPlan], model: NetworkModel) -> NicPlan:
    """What the host is told of a card; HostFailed where its network is no more."""
    network = _network(networks, nic.network)
    if not network.anti_spoof:
        return NicPlan(nic.mac, network, nic.mtu)
    link = model.bond_of(nic) or nic
    stacked = any(model.parent(vlan) in (nic, link) for vlan in model.vlans)
    addresses = () if link.dhcp4 else tuple(address.partition("/")[0] for address in link.addresses)
    six = link.dhcp6 or link.accept_ra or any(":" in address for address in link.addresses)
    return NicPlan(nic.mac, network, nic.mtu, addresses, stacked or six or isinstance(link, Bond))


def _network(networks: Mapping[str, NetworkPlan], network_id: str) -> NetworkPlan:
    try:
        return networks[network_id]
    except KeyError:
        raise HostFailed(f"network {network_id} was deleted before the vm was deployed") from None


def _artifact(data: Any) -> Artifact | None:
    return load(Artifact, data) if data else None


def networks_of(job: JobView) -> dict[str, NetworkPlan]:
    """The networks the job was opened with; empty where its opener didn't say."""
    return {key: load(NetworkPlan, value) for key, value in job.params.get("networks", {}).items()}
