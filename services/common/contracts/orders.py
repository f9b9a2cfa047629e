# SPDX-License-Identifier: Apache-2.0
"""From a job to the command a host gets. Ids are derived, so that the same step gives the same command."""

from collections.abc import Mapping

from services.common.contracts.commands import Command, DeployPlan, Follow, Verb
from services.common.contracts.flow import FLOWS
from services.common.contracts.ids import derived_id
from services.common.contracts.journal import JobView, VmView

VERBS: Mapping[str, Verb] = {
    "deploy": Verb.DEPLOY,
    "clone": Verb.CLONE,
    "start": Verb.START,
    "stop": Verb.STOP,
    "force-stop": Verb.FORCE_STOP,
    "reboot": Verb.REBOOT,
    "reset": Verb.RESET,
    "suspend": Verb.SUSPEND,
    "resume": Verb.RESUME,
    "snapshot": Verb.SNAPSHOT,
    "revert": Verb.REVERT,
    "drop-snapshot": Verb.DROP_SNAPSHOT,
    "resize": Verb.RESIZE,
    "resize-back": Verb.RESIZE,
    "wipe": Verb.WIPE,
    "erase": Verb.ERASE,
    "attach-nic": Verb.ATTACH_NIC,
    "detach-nic": Verb.DETACH_NIC,
    "unplug-nic": Verb.DETACH_NIC,
    "attach-volume": Verb.ATTACH_VOLUME,
    "take-off-volume": Verb.DETACH_VOLUME,
    "grow-volume": Verb.GROW_VOLUME,
    "detach-volume": Verb.DETACH_VOLUME,
}


def command_for(job: JobView, host: str, plan: DeployPlan | None = None) -> Command:
    """The command of the job's present step."""
    vm = vm_of(job)
    step = FLOWS[job.kind].step(job.step)
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
        then=_follow(job) if job.step == "deploy" else None,
    )


def _follow(job: JobView) -> Follow | None:
    """Starting needs nothing that deploying doesn't know: the host goes on by itself and reports both."""
    following = FLOWS[job.kind].after_step(job.step, job.params)
    if following is None or not following.follows:
        return None
    command_id = derived_id(job.id, following.name, vm_of(job).fence)
    return Follow(command_id, VERBS[following.name], following.name, following.deadline_s)


def host_of(job: JobView) -> str:
    """The host the vm was placed on; "" where it never was."""
    vm = vm_of(job)
    return vm.host or str(job.facts.get("place", {}).get("host", ""))


def vm_of(job: JobView) -> VmView:
    """The job's vm; only a vm's flow has commands."""
    if job.vm is None:
        raise ValueError(f"job {job.id} has no vm")
    return job.vm
