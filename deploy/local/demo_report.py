# SPDX-License-Identifier: Apache-2.0
"""What `make demo` ends with: the vms, their addresses as seen from inside, and where everything is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from deploy.local import hypervisor
from deploy.local.home import Home
from deploy.local.settings import Addresses

if TYPE_CHECKING:
    from innkeeper.models.host import Host
    from innkeeper.models.vm import Vm


_NUMBERS = {2: "two", 4: "four"}


def report(home: Home, vms: Sequence[Vm], took_s: float, hosts: Sequence[Host]) -> None:
    """Print it; where there are several hosts, each vm's, too."""
    several = {host.id: f"{host.name} ({host.driver})" for host in hosts} if hosts[1:] else {}
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)
    number = _NUMBERS.get(len(vms), str(len(vms)))
    table = Table(title=f"{number} virtual machines in {took_s:.0f} s", title_justify="left")
    for column in ("name", "state", "os", *(["host"] if several else []), "NIC", "asked for", "seen from inside"):
        table.add_column(column)
    for vm in vms:
        for n, row in enumerate(_links(vm)):
            head = (vm.name, vm.state, vm.os, *([several.get(vm.host, vm.host)] if several else []))
            table.add_row(*(head if n == 0 else [""] * len(head)), *row)
    console.print(table)
    addresses = Addresses.load(home)
    found = hypervisor.recorded(home)
    for title, text in (
        ("API docs", f"{addresses.api_url}/docs"),
        ("metrics", f"{addresses.api_url}/metrics"),
        ("Flower", f"http://127.0.0.1:{addresses.flower} (user admin, password in {home.flower_password})"),
        ("admin", f"password in {home.admin_password}"),
        ("libvirt", f"virsh -c '{found.uri}' list" if found else "-"),
        ("client", f".venv/bin/inn login {addresses.api_url} --username admin"),
    ):
        console.print(f"{title:9} {text}", soft_wrap=True)


def _links(vm: Vm) -> list[tuple[str, str, str]]:
    seen = {i.mac.lower(): i for i in vm.observed.interfaces} if vm.observed else {}
    rows = []
    for nic in vm.nics:
        asked = ", ".join(nic.addresses) or nic.method or "dhcp"
        link = seen.get(nic.mac.lower())
        inside = ", ".join(a for a in link.addresses if not a.startswith("fe80:")) if link else "-"
        rows.append((nic.mac, asked, inside or "-"))
    return rows or [("-", "-", "-")]
