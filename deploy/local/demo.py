# SPDX-License-Identifier: Apache-2.0
"""`make demo`: from a running stack to two running virtual machines, through the HTTP API alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deploy.local import hypervisor, hypervisors, machine_host, own_agents, shared_lan, vsphere_host
from deploy.local.demo_report import report
from deploy.local.files import secret
from deploy.local.home import Home
from deploy.local.processes import servers
from deploy.local.servers import ServerError
from deploy.local.settings import Addresses, environment
from deploy.local.stack import Say, StackError

if TYPE_CHECKING:
    from innkeeper import Client
    from innkeeper.models.host import Host
    from innkeeper.models.vm import Vm

# The second NIC is static on a network without DHCP: what is asked for is compared with what the guest sees.
WANTED: tuple[Mapping[str, Any], ...] = (
    {"name": "mini", "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]},
    {
        "name": "debian-12",
        "os": "debian-12",
        "flavor": "medium",
        "networks": [
            {"network": "default"},
            {"network": "lab", "method": "static", "addresses": ["10.78.0.12/24"]},
        ],
    },
)
# With two kinds of hosts: where the first of these goes is said, where the second goes the policy decides.
BESIDE: tuple[Mapping[str, Any], ...] = (
    {
        "name": "on-vsphere",
        "os": "debian-12-image",
        "flavor": "medium",
        "hypervisor": "vsphere",
        "networks": [{"network": shared_lan.NAME, "method": "static", "addresses": ["10.79.0.11/24"]}],
    },
    {
        "name": "anywhere",
        "os": "debian-12-image",
        "flavor": "medium",
        "networks": [{"network": shared_lan.NAME, "method": "static", "addresses": ["10.79.0.12/24"]}],
    },
)
GOOD = ("ready",)


def run(home: Home, say: Say) -> None:
    """Make an administrator, register this machine as a host, provision `mini` and `debian-12`. Raises StackError.

    With HYPERVISORS=libvirt,vsphere the simulated vCenter is a host, too, and two more vms are provisioned.
    """
    from innkeeper import Client, ClientError

    begun = time.monotonic()
    first = not home.admin_password.exists()
    password = secret(home.admin_password)
    create_admin(home)
    if first:
        say(f"admin's password, shown this once and kept in {home.admin_password}: {password}")
    try:
        with Client(Addresses.load(home).api_url) as client:
            client.login("admin", password)
            host = machine_host.ensure(home, client)
            found = hypervisor.recorded(home)
            accel = f", guests on {found.accel.upper()}" if found else ""
            say(f"host {host.name}: {host.vcpus} CPUs, {host.memory_mib} MiB{accel}")
            hosts = [host, *_beside(home, client, say)]
            vms = provision(client, say, wanted(hosts))
            decided = [*_decisions(client, vms)] if hosts[1:] else []
    except (ClientError, own_agents.HostNotUp, ServerError) as error:
        raise StackError(f"{error}\nlogs are in {home.root / 'log'}") from error
    report(home, vms, time.monotonic() - begun, hosts)
    for line in decided:
        say(line)
    bad = [f"{vm.name} is {vm.state}" for vm in vms if vm.state not in GOOD]
    if bad:
        raise StackError(f"{'; '.join(bad)}. `inn job list` says why; logs are in {home.root / 'log'}")


def _beside(home: Home, client: Client, say: Say) -> list[Host]:
    """The other host, if HYPERVISORS asks for it."""
    if hypervisors.VSPHERE not in hypervisors.asked(os.environ.get(hypervisors.VARIABLE, "")):
        return []
    host = own_agents.ensure(home, client, vsphere_host.agent(home))
    shared_lan.ensure(home, client)
    say(f"host {host.name}: a simulated vCenter ({host.vcpus} CPUs, {host.memory_mib} MiB); its guests are simulated")
    return [host]


def wanted(hosts: Sequence[Host]) -> tuple[Mapping[str, Any], ...]:
    """The vms to be made; those of the plain demo say where they go only where there is a choice."""
    if len(hosts) == 1:
        return WANTED
    return (*({**spec, "hypervisor": hosts[0].driver} for spec in WANTED), *BESIDE)


def _decisions(client: Client, vms: Sequence[Vm]) -> Iterator[str]:
    """Where each vm went, by which policy, and what the hosts were worth to it."""
    for vm in vms:
        decision = client.decisions.latest(vm=vm.id)
        if decision is not None and decision.explanation is not None:
            found = decision.explanation
            scores = ", ".join(f"{found.hosts.get(c.host, c.host)} {c.score:.2f}" for c in found.candidates)
            yield f"placed {vm.name} by policy {found.policy}: {scores}"


def provision(client: Client, say: Say, specs: Sequence[Mapping[str, Any]] = WANTED) -> list[Vm]:
    """The vms as they are in the end; those that are there already are used again."""
    from innkeeper.cli.live import follow

    there = {vm.name: vm for vm in client.vms.list()}
    jobs: dict[str, str] = {}
    for spec in specs:
        name = str(spec["name"])
        vm = there.get(name)
        if vm is not None and vm.state in ("failed", "missing"):
            say(f"{name} {'had failed' if vm.state == 'failed' else 'is missing on its host'}: it is made anew")
            follow(client, [client.vms.delete(vm.id).id])
            vm = None
        if vm is None:
            jobs[client.vms.create(spec).job.id] = name
        elif vm.state == "stopped":
            jobs[client.vms.act(vm.id, "start").id] = name
        elif vm.job:
            jobs[vm.job] = name
        else:
            say(f"{name} is {vm.state} already")
    if jobs:
        follow(client, list(jobs), jobs)
    return [client.vms.find(str(spec["name"])) for spec in specs]


def create_admin(home: Home) -> None:
    """The user `admin` with the password of its file; one that exists is left alone."""
    words = ["create-admin", "--username", "admin", "--password-file", str(home.admin_password)]
    done = subprocess.run(
        [sys.executable, "-m", "services.api.admin", *words],
        env=environment(home, Addresses.load(home), *servers(home)),
        cwd=home.checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"could not create the administrator: {(done.stderr or done.stdout).strip()}")
