# SPDX-License-Identifier: Apache-2.0
"""How soon the platform shows what was done behind its back, and how quick its lists are while hypervisors are away."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from pyVmomi import vim

from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.vm import hypervisor_name
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import DriverSettings, Owner, Power
from tests.bench.api import lists
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import vcsim
from tests.support.waiting import until

ROOM = {"vcpus": 64, "memory_mib": 65536, "disk_gib": 500}
# What an administrator does with virsh, and the state in which the platform shows it.
DEEDS = (("suspend", "suspended"), ("resume", "ready-unverified"), ("destroy", "stopped"), ("undefine", "missing"))
TASKS = (("PowerOnVM_Task", Power.ON), ("PowerOffVM_Task", Power.OFF), ("Destroy_Task", Power.ABSENT))
_LOOK_S = 0.02


def drift_s(rounds: int) -> tuple[float, str]:
    """The longest it took, of all deeds and rounds: from virsh's return until the api shows the drift's state, and from
    vCenter's until its agent is told.
    """
    with short_directory() as directory, on_libvirt(directory) as (stack, server):
        shown = [s for n in range(rounds) for s in _deeds(stack, server, f"drift-{n}")]
    told = [s for _ in range(rounds) for s in _told_by_vcenter()]
    note = f"medians of {len(shown)} and {len(told)}: libvirt {statistics.median(shown):.3f} s, shown by the api;"
    return max(*shown, *told), f"{note} vCenter {statistics.median(told):.3f} s, told to its agent"


def list_p95_ms(vms: int, looks: int) -> tuple[float, str]:
    """A page of a project's vms, while no agent and no hypervisor answers."""
    with short_directory() as directory, on_libvirt(directory) as (stack, server):
        _made(stack, "pattern")
        stack.processes["agent-host-0"].stop()
        server.stop()
        found = lists(stack, vms, looks)
    return found, f"{looks} lists of {vms} vms, agent and libvirtd ended"


@contextmanager
def on_libvirt(directory: Path) -> Iterator[tuple[Stack, Libvirtd]]:
    """The platform with one host, an emulated one of its own."""
    server = Libvirtd(directory / "v", netns=True)
    server.start()
    try:
        with running(directory / "s", postgres=True) as stack:
            stack.run("services.imagebuilder.masters", "mini", "--state-dir", str(stack.directory / "state"))
            stack.enrol("host-0", "libvirt", libvirt_uri=server.url, capacity=ROOM, accelerator="tcg")
            yield stack, server
    finally:
        server.purge()


def _told_by_vcenter() -> Iterator[float]:
    """What somebody does to a vm of ours in a session of their own."""
    powers: list[str] = []
    with vcsim() as server, short_directory() as directory:
        driver = open_driver("vsphere", DriverSettings(directory, PLATFORM, vsphere=server.settings()))
        administrator = Administrator(server)
        watching = Event()
        driver.watch(lambda _vm, power: powers.append(power), watching.set)
        assert watching.wait(10)
        vm = a_vm()
        driver.deploy(plan(vm, nics=()), Owner(PLATFORM, vm, 1), {})
        theirs = administrator.named(vim.VirtualMachine, hypervisor_name(vm, "web"))
        for task, power in TASKS:
            administrator.run(getattr(theirs, task)())
            begun = time.perf_counter()
            until(lambda p=power: p in powers, 60, f"{task} is told", pause=_LOOK_S)  # type: ignore[misc]
            yield time.perf_counter() - begun
        administrator.close()
        driver.close()


def _made(stack: Stack, name: str) -> dict[str, Any]:
    """A vm that runs; nobody waits for its guest."""
    made = stack.create(name, guest_agent=False)
    job = stack.finish(made["job"]["id"], 120)
    assert job["state"] == "succeeded", job
    return stack.vm(made["vm"]["id"])


def _deeds(stack: Stack, server: Libvirtd, name: str) -> Iterator[float]:
    vm = _made(stack, name)
    domain = hypervisor_name(vm["id"], name)
    for deed, state in DEEDS:
        done = server.virsh(deed, domain)
        assert done.returncode == 0, done.stderr
        begun = time.perf_counter()
        until(lambda s=state: stack.vm(vm["id"])["state"] == s, 60, f"{deed} is shown", pause=_LOOK_S)  # type: ignore[misc]
        yield time.perf_counter() - begun
    remove = stack.http.delete(f"/v1/vms/{vm['id']}")
    stack.finish(remove.json()["job"]["id"])
