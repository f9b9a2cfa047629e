# SPDX-License-Identifier: Apache-2.0
"""inn host ..."""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.commands.acting import acting
from innkeeper.cli.output import Column, facts, show, show_one, table
from innkeeper.cli.session import Session
from innkeeper.cli.words import span
from innkeeper.models.host import ConsolidationPlan, Host, HostPower

COLUMNS = (
    Column("NAME", lambda h: h.name),
    Column("STATE", lambda h: h.state, state=True),
    Column("DRIVER", lambda h: h.driver),
    Column("VCPUS", lambda h: f"{h.used_vcpus}/{h.vcpus}"),
    Column("MEMORY", lambda h: f"{h.used_memory_mib}/{h.memory_mib} MiB"),
    Column("DISK", lambda h: f"{h.used_disk_gib}/{h.disk_gib} GiB"),
    Column("VMS", lambda h: str(h.vms)),
    Column("CPU", lambda h: f"{h.cpu_percent:.0f}%" if h.cpu_percent is not None else ""),
    Column("WATTS", lambda h: _watts(h)),
)

VM_COLUMNS = (
    Column("VM", lambda v: v.name or v.id),
    Column("VCPUS", lambda v: str(v.vcpus)),
    Column("CORES BUSY", lambda v: f"{v.cores:.2f}" if v.cores is not None else ""),
    Column("WATTS", lambda v: f"{v.watts:.1f}"),
    Column("OF THEM IDLE", lambda v: f"{v.idle_watts:.1f}"),
    Column("COST/H", lambda v: _cost(v.cost_per_h)),
)


@click.group()
def host() -> None:
    """Hosts: the machines that run vms."""


@host.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """All hosts: claimed of what there is, load and watts."""
    with session.client() as client:
        show(list(client.hosts.list()), COLUMNS, form, empty="No hosts yet.")


@host.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One host."""
    with session.client() as client:
        show_one(client.hosts.find(name), _details, form)


@host.command("power")
@click.argument("name")
@shared.output
@click.pass_obj
def power(session: Session, name: str, form: str) -> None:
    """What a host draws now, and which vm how much of it."""
    with session.client() as client:
        show_one(client.hosts.power(client.hosts.find(name).id), _power, form)


@host.command("consolidate")
@click.option("--moves", default=20, show_default=True, type=click.IntRange(1, 1000), help="At most so many moves.")
@click.option("--policy", default="", help="Decide by this policy instead of the active one.")
@click.option("--take", is_flag=True, help="Take the moves on: they count against the policy's moves in an hour.")
@shared.output
@click.pass_obj
def consolidate(session: Session, moves: int, policy: str, take: bool, form: str) -> None:
    """Plan moves that empty thirsty hosts, so that they can sleep. Only a plan: nothing is moved."""
    with session.client() as client:
        ask = client.hosts.take_moves if take else client.hosts.consolidate
        show_one(ask(moves, policy), _plan, form)


def _plan(p: ConsolidationPlan) -> str:
    lines = [] if p.emptied else ["No moves would save watts."]
    for e in p.emptied:
        lines.append(f"{e.host_name or e.host} would be empty and save {e.watts_saved:.0f} W asleep:")
        lines += [f"  {m.vm_name or m.vm} -> {m.target_name or m.target}" for m in e.moves]
    if p.emptied:
        lines.append(f"{p.moves} moves, {p.watts_saved:.0f} W. A plan: nothing was moved.")
    lines += [f"{k.host_name or k.host} {k.reason}" for k in p.kept]
    if p.budget and p.budget.per_hour:
        lines.append(f"{p.budget.left} of {p.budget.per_hour} moves are left in this hour.")
    return "\n".join(lines)


for _verb, _text in {
    "sleep": "Put empty hosts to sleep; they can be woken again.",
    "wake": "Wake hosts that sleep, or are down, and wait until they speak.",
}.items():
    host.add_command(acting(_verb, _text, lambda client: client.hosts, COLUMNS))


def _power(p: HostPower) -> str:
    drawn = f"{p.watts:.0f} ({p.source})" if p.watts is not None else "nothing heard of it"
    head = facts([("host", p.name), ("watts", drawn), ("idle", f"{p.idle_watts:.0f}"), ("cost/h", _cost(p.cost_per_h))])
    return f"{head}\n\n{table(p.vms, VM_COLUMNS)}" if p.vms else head


def _cost(cost: float | None) -> str:
    return f"{cost:.4f}" if cost is not None else ""


def _details(h: Host) -> str:
    heartbeat = f"{span(h.heartbeat_age_s)} ago" if h.heartbeat_age_s is not None else ""
    cells = [(c.heading.lower(), c.cell(h)) for c in COLUMNS if c.heading not in ("NAME", "STATE", "WATTS")]
    return facts(
        [
            ("name", h.name),
            ("id", h.id),
            ("state", h.state),
            *cells,
            ("datastores", ", ".join(f"{d.name} ({d.kind}) {d.used_gib}/{d.size_gib} GiB" for d in h.datastores)),
            ("watts", _watts(h)),
            ("accelerator", h.accelerator),
            ("zone", h.zone),
            ("rack", h.rack),
            ("traits", ", ".join(h.traits)),
            ("wake by", ", ".join(h.wake_by)),
            ("price/kWh", f"{h.price_now:g}" if h.price_now is not None else ""),
            ("heartbeat", heartbeat),
        ]
    )


def _watts(h: Host) -> str:
    """With its source: a measurement and an estimate are not the same."""
    if h.watts is None:
        return ""
    return f"{h.watts:.0f} ({h.watts_source})" if h.watts_source else f"{h.watts:.0f}"
