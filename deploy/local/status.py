# SPDX-License-Identifier: Apache-2.0
"""`make status`: every process, and every address a person needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local import hypervisor, hypervisors, vsphere_side
from deploy.local.home import Home
from deploy.local.pid import Pid, family
from deploy.local.processes import readiness
from deploy.local.settings import Addresses
from deploy.local.state import Process, State


def show(home: Home, console: Console) -> bool:
    """Print it; whether the stack is up and every process healthy."""
    state = State.load(home.state_file)
    if not state.running():
        _show_leftovers(state, home, console)
        return False
    names = list(state.processes)
    with ThreadPoolExecutor(len(names) + 1) as pool:
        healthy = dict(
            zip(names, pool.map(lambda name: _healthy(home, name, state.processes[name]), names), strict=True)
        )
    console.print(_processes(state, healthy, home))
    for name, value in _addresses(home).items():
        console.print(f"[bold]{name:23}[/] ", end="")
        console.print(value, markup=False, highlight=False, soft_wrap=True)  # whole, for copying
    return all(healthy.values())


def _healthy(home: Home, name: str, process: Process) -> bool:
    if process.state == "done" or _waits_for_host(home, name):
        return True
    return process.pid is not None and process.pid.alive() and readiness(home, name)()


def _waits_for_host(home: Home, name: str) -> bool:
    config = {"hostagent": home.agent_config, vsphere_side.AGENT: home.vsphere_agent_config}.get(name)
    return config is not None and not config.exists()


def _processes(state: State, healthy: dict[str, bool], home: Home) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("process", "pid", "port", "up", "MiB", "restarts", "health"):
        table.add_column(column, justify="left" if column in ("process", "health") else "right")
    if state.supervisor is not None:
        table.add_row("supervisor", *_figures(state.supervisor, None, alone=True), "", "[green]ok[/]")
    for name, process in state.processes.items():
        health = "[green]ok[/]" if healthy[name] else "[red]not answering[/]"
        if process.state == "done":
            health = "[green]done[/]"
        elif _waits_for_host(home, name):
            what = "this machine" if name == "hostagent" else "the simulated vCenter"
            health = f"waits until {what} is registered as a host"
        table.add_row(name, *_figures(process.pid, process.port), str(process.restarts), health)
    for pid in hypervisor.private(home).pids():
        table.add_row(_program(pid), *_figures(pid, None, alone=True), "", "[green]ok[/]")
    return table


def _program(pid: Pid) -> str:
    name = Path(f"/proc/{pid.pid}/comm").read_text().strip()
    return "libvirtd's keeper" if name.startswith("python") else name


def _figures(pid: Pid | None, port: int | None, alone: bool = False) -> list[str]:
    """pid, port, uptime, and resident memory of the process with its children (or alone)."""
    if pid is None or not pid.alive():
        return ["-", str(port or ""), "-", "-"]
    members = [pid] if alone else family([pid])
    uptime = str(timedelta(seconds=int(pid.uptime())))
    return [str(pid.pid), str(port or ""), uptime, str(sum(member.rss() for member in members) >> 20)]


def _addresses(home: Home) -> dict[str, str]:
    addresses = Addresses.load(home)
    rows = {
        "API": addresses.api_url,
        "API docs": f"{addresses.api_url}/docs",
        "metrics": f"{addresses.api_url}/metrics",
        **{f"metrics ({name})": f"http://127.0.0.1:{port}/metrics" for name, port in addresses.metrics.items()},
        "Flower": f"http://127.0.0.1:{addresses.flower} (user admin, password in {home.flower_password})",
    }
    if home.admin_password.exists():
        rows["admin"] = f"user admin, password in {home.admin_password}"
    found = hypervisor.recorded(home)
    if found is not None:
        rows["libvirt"] = found.uri
        rows["virsh"] = f"virsh -c '{found.uri}' list"
        rows["guests on"] = f"{found.accel.upper()}: {found.accel_reason}"
    if hypervisors.VSPHERE in hypervisors.chosen(home.hypervisors_file):
        rows["vCenter (simulated)"] = f"{vsphere_side.vcsim(home).url}, its guests are simulated, too"
        rows["guests report to"] = vsphere_side.guest_url(home)
    rows["logs"] = str(home.root / "log")
    return rows


def _show_leftovers(state: State, home: Home, console: Console) -> None:
    left = state.leftovers(home.root) if home.root.exists() else []
    if left:
        console.print(f"the supervisor was killed and left {len(left)} processes; `make up` or `make down` ends them")
    elif state.phase == "failed":
        console.print(f"the last start failed: {state.error}", markup=False)
    else:
        console.print("down; start it with: make up")
    libvirtd = hypervisor.private(home)
    if libvirtd.alive():
        console.print(f"its libvirtd runs: {libvirtd.url}", soft_wrap=True)
