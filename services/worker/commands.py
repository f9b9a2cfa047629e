# SPDX-License-Identifier: Apache-2.0
"""From a job to the command a host gets. Pure: ids are derived, so the same step gives the same command."""

from collections.abc import Mapping
from typing import Any

from services.common.contracts.codec import load
from services.common.contracts.commands import Artifact, Command, DeployPlan, DiskPlan, NicPlan, Verb
from services.common.contracts.errors import HostFailed
from services.common.contracts.flow import FLOWS, UNDO_STEPS
from services.common.contracts.ids import derived_id
from services.common.contracts.journal import JobView, VmView
from services.common.contracts.network import NetworkPlan
from services.common.contracts.vm import hypervisor_name, hypervisor_uuid

VERBS: Mapping[str, Verb] = {
    "deploy": Verb.DEPLOY,
    "start": Verb.START,
    "stop": Verb.STOP,
    "force-stop": Verb.FORCE_STOP,
    "reboot": Verb.REBOOT,
    "erase": Verb.ERASE,
}


def command_for(job: JobView, host: str, plan: DeployPlan | None = None) -> Command:
    """The command of the job's present step."""
    vm = _vm(job)
    step = UNDO_STEPS.get(job.step) or FLOWS[job.kind].step(job.step)
    return Command(
        id=derived_id(job.id, job.step, vm.fence),
        verb=VERBS[job.step],
        host=host,
        vm=vm.id,
        job=job.id,
        step=job.step,
        fence=vm.fence,
        platform=vm.platform,
        timeout_s=step.deadline_s,
        plan=plan,
    )


def host_of(job: JobView) -> str:
    """The host the vm was placed on; "" where it never was."""
    vm = _vm(job)
    return vm.host or str(job.facts.get("place", {}).get("host", ""))


def deploy_plan(job: JobView, networks: Mapping[str, NetworkPlan]) -> DeployPlan:
    """What the host shall define: the image builder's facts, and the vm's sizes and NICs."""
    vm = _vm(job)
    built = job.facts.get("build")
    if built is None:
        raise HostFailed("there is no image for this vm: the step 'build' left no facts")
    return DeployPlan(
        uuid=hypervisor_uuid(vm.id),
        name=hypervisor_name(vm.id, vm.name),
        vcpus=vm.spec.vcpus,
        memory_mib=vm.spec.memory_mib,
        disks=tuple(load(DiskPlan, disk) for disk in built["disks"]),
        nics=tuple(NicPlan(nic.mac, _network(networks, nic.network), nic.mtu) for nic in vm.spec.nics),
        kernel=_artifact(built.get("kernel")),
        initrd=_artifact(built.get("initrd")),
        cmdline=built.get("cmdline", ""),
        firmware=built.get("firmware", "bios"),
        os=vm.spec.os,
    )


def _network(networks: Mapping[str, NetworkPlan], network_id: str) -> NetworkPlan:
    try:
        return networks[network_id]
    except KeyError:
        raise HostFailed(f"network {network_id} was deleted before the vm was deployed") from None


def _artifact(data: Any) -> Artifact | None:
    return load(Artifact, data) if data else None


def _vm(job: JobView) -> VmView:
    if job.vm is None:
        raise HostFailed(f"job {job.id} has no vm")
    return job.vm
