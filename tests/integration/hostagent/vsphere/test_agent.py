# SPDX-License-Identifier: Apache-2.0
"""An agent of a vCenter as a process on a broker: what it is told to do is done there, what is done there it tells."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml
from pyVmomi import vim

from services.common.contracts.codec import load
from services.common.contracts.commands import DiskPlan, Verb
from services.common.contracts.events import AgentEventKind
from services.common.contracts.tools import ToolsFacts
from services.hostagent.drivers.base import Power
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.integration.hostagent.conftest import PUBLIC, ROOT, Station
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.file_server import serving
from tests.support.hypervisor import a_vm, artifact, as_file, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import PASSWORD, Vcsim
from tests.support.waiting import until


def installer(folder: Path, url: str) -> DiskPlan:
    """A vm's image as the image builder offers it: an overlay, and the master that its header names."""
    content = os.urandom(1 << 20)
    master = as_file(folder, content)
    write_overlay(folder / "draft", master, [Patch(4096, b"answers")], backing=f"../../masters/{master.name}")
    small = as_file(folder, (folder / "draft").read_bytes())
    overlay = artifact(small.read_bytes(), f"{url}/{small.name}", "qcow2")
    backing = artifact(content, f"{url}/{master.name}", "iso", shared=True)
    return DiskPlan("installer", base=overlay, device="cdrom", backing=backing)


def test_a_vm_is_made_watched_and_erased_by_commands(
    station: Callable[..., Station], server: Vcsim, administrator: Administrator, tmp_path: Path
) -> None:
    agent = station(driver="vsphere", vsphere=dict(server.settings()))
    (hello,) = agent.heard(AgentEventKind.HELLO)
    assert (hello.data["driver"], hello.data["hypervisor_uri"]) == ("vsphere", server.url)
    vm = a_vm()
    with serving(tmp_path) as url:
        disks = (DiskPlan("root", size_gib=1), installer(tmp_path, url))
        wanted = replace(plan(vm, nics=(nic(),)), disks=disks)
        assert agent.do(Verb.DEPLOY, vm, plan=wanted).kind is AgentEventKind.DONE
    assert agent.do(Verb.START, vm).data["power"] == Power.ON
    theirs = administrator.named(vim.VirtualMachine, wanted.name)
    administrator.run(theirs.PowerOffVM_Task())
    told = partial(agent.heard, AgentEventKind.LIFECYCLE, vm)
    until(lambda: [event.data["power"] for event in told()][-1:] == [Power.OFF], 5, "the vm told to be off")
    until(lambda: agent.heard(AgentEventKind.TOOLS, vm), 15, "what VMware Tools say of its guest")
    assert not load(ToolsFacts, agent.heard(AgentEventKind.TOOLS, vm)[-1].data).running
    assert agent.do(Verb.ERASE, vm).kind is AgentEventKind.DONE
    assert wanted.name not in [found["name"] for found in administrator.all(vim.VirtualMachine, "name")]
    assert PASSWORD not in agent.process.tail(10_000)


def test_an_agent_does_not_start_at_another_server_than_the_one_configured(
    server: Vcsim, directory: Path, tmp_path: Path
) -> None:
    fields = {
        "host_id": "h",
        "platform": "p",
        "driver": "vsphere",
        "broker_url": "amqp://h:x@127.0.0.1:1//",
        "command_public_key": PUBLIC,
        "directory": str(directory),
        "vsphere": dict(server.settings(thumbprint="ab" * 32)),
    }
    (tmp_path / "agent.yaml").write_text(yaml.safe_dump(fields))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "INNKEEPER_AGENT_CONFIG": str(tmp_path / "agent.yaml")}
    command = [sys.executable, "-m", "services.hostagent"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "another server than the one configured" in ended.stderr
    assert PASSWORD not in ended.stderr + ended.stdout
