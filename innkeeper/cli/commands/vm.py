# SPDX-License-Identifier: Apache-2.0
"""inn vm ..."""

from datetime import UTC, datetime
from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.commands.acting import acting
from innkeeper.cli.commands.cards import attach_nic, detach_nic
from innkeeper.cli.commands.cloning import clone
from innkeeper.cli.commands.drift import drift
from innkeeper.cli.commands.looking import console_log, screenshot
from innkeeper.cli.commands.resizing import resize
from innkeeper.cli.commands.snapshot import snapshot
from innkeeper.cli.link_lines import link_lines
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.plan import show_plan
from innkeeper.cli.session import Session
from innkeeper.cli.spec import described, spec
from innkeeper.cli.wait import followed
from innkeeper.cli.words import age, memory, pairs, span
from innkeeper.models.vm import Tools, Vm

COLUMNS = (
    Column("NAME", lambda v: v.name),
    Column("STATE", lambda v: v.state, state=True),
    Column("OS", lambda v: v.os),
    Column("FLAVOR", lambda v: v.flavor),
    Column("ADDRESSES", lambda v: ", ".join(v.addresses)),
    Column("HOST", lambda v: v.host),
    Column("AGE", lambda v: age(v.created_at, datetime.now(UTC))),
)


@click.group()
def vm() -> None:
    """Virtual machines."""


@vm.command()
@click.argument("name")
@described
@click.option("--protect", is_flag=True, help="Refuse to delete it: inn vm protect NAME --off lifts that.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done: host and why, files, addresses, time.")
@click.option("--show-files", is_flag=True, help="A dry run with the text of the guest's files.")
@shared.waiting
@shared.output
@click.pass_obj
def create(
    session: Session,
    /,
    name: str,
    dry_run: bool,
    show_files: bool,
    wait: bool,
    timeout: float | None,
    form: str,
    **options: Any,
) -> None:
    """Make a vm called NAME and follow it until it is ready."""
    protected = {"protect": True} if options.pop("protect") else {}
    body = {**spec(name, options), **protected}
    with session.client() as client:
        if dry_run or show_files:
            show_plan(client.vms.plan(body), form, show_files)
            return
        created = client.vms.create(body)
        if not wait:
            shown = created.job if form in ("table", "name") else created.vm
            show_one(shown, lambda job: str(job.id), form)
            return
        followed(client, {created.job.id: name}, form, timeout)
        show_one(client.vms.get(created.vm.id), _summary, form)


@vm.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The project's vms."""
    with session.client() as client:
        show(list(client.vms.list()), COLUMNS, form, empty="No vms yet: inn vm create NAME --os NAME --flavor NAME")


@vm.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One vm: what was asked for and what was seen from inside."""
    with session.client() as client:
        show_one(client.vms.find(name), _details, form)


@vm.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--keep-volumes", is_flag=True, help="Their volumes stay, detached.")
@shared.waiting
@shared.output
@click.pass_obj
def delete(
    session: Session, /, names: tuple[str, ...], yes: bool, keep_volumes: bool, wait: bool, form: str, **more: Any
) -> None:
    """Remove vms and their disks."""
    with session.client() as client:
        found = [client.vms.find(name) for name in names]
        sure(yes, f"delete {', '.join(v.name for v in found)} with all disks")
        jobs = {client.vms.delete(v.id, etag=v.etag, keep_volumes=keep_volumes).id: v.name for v in found}
        if wait:
            followed(client, jobs, form, more["timeout"])
        else:
            click.echo("\n".join(jobs))


@vm.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Let it be deleted again.")
@shared.output
@click.pass_obj
def protect(session: Session, name: str, off: bool, form: str) -> None:
    """Refuse to delete a vm."""
    with session.client() as client:
        show_one(client.vms.protect(client.vms.find(name).id, not off), _details, form)


@vm.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@shared.waiting
@shared.output
@click.pass_obj
def rebuild(session: Session, names: tuple[str, ...], yes: bool, wait: bool, timeout: float | None, form: str) -> None:
    """Install vms anew, and lose what is on their first disks; volumes stay."""
    sure(yes, f"rebuild {', '.join(names)}, and lose what is on the first disk")
    with session.client() as client:
        jobs = {client.vms.act(client.vms.find(name).id, "rebuild").id: name for name in names}
        if wait:
            followed(client, jobs, form, timeout)
        else:
            click.echo("\n".join(jobs))


for _verb, _text in {
    "start": "Switch vms on and follow them until they are ready.",
    "stop": "Ask guests to shut down.",
    "force-stop": "Cut the power; unwritten data is lost.",
    "reboot": "Ask guests to restart.",
    "reset": "Press the reset button; unwritten data is lost.",
    "suspend": "Let vms stand still; their memory is kept.",
    "resume": "Let suspended vms go on.",
}.items():
    vm.add_command(acting(_verb, _text, lambda client: client.vms, COLUMNS))
vm.add_command(attach_nic)
vm.add_command(detach_nic)
vm.add_command(clone)
vm.add_command(console_log)
vm.add_command(drift)
vm.add_command(screenshot)
vm.add_command(resize)
vm.add_command(snapshot)


def _summary(v: Vm) -> str:
    hostname = v.observed.hostname if v.observed else ""
    seen = "seen from inside" if v.observed else "as asked for"
    return facts(
        [
            ("vm", v.name),
            ("state", v.state),
            ("hostname", hostname),
            (f"addresses ({seen})", ", ".join(v.addresses)),
            ("host", v.host),
        ]
    )


def _details(v: Vm) -> str:
    size = ", ".join(p for p in (f"{v.vcpus} vCPU", memory(v.memory_mib), f"{v.disk_gib} GiB disk") if p)
    lines = [
        ("name", v.name),
        ("id", v.id),
        ("state", v.state),
        ("drift", f"was {v.drift.wanted}; can be: {', '.join(v.drift.can)}" if v.drift else ""),
        ("os", v.os),
        ("flavor", v.flavor),
        ("size", size),
        ("volumes", ", ".join(f"{volume.name} ({volume.size_gib} GiB)" for volume in v.volumes)),
        ("pending", f"until {v.pending.until} it has {pairs(v.pending.now)}" if v.pending else ""),
        ("host", v.host),
        ("watts", f"{v.watts:.1f} ({v.watts_source})" if v.watts is not None else ""),
        ("cost/h", f"{v.cost_per_h:.4f}" if v.cost_per_h is not None else ""),
        ("linked clones", ", ".join(v.clones)),
        ("project", v.project),
        ("job", v.job),
        ("possible now", ", ".join(v.verbs)),
        ("labels", pairs(v.labels)),
        ("protected", "yes" if v.protect else ""),
        ("created", v.created_at.isoformat(timespec="seconds") if v.created_at else ""),
    ]
    lines += [(f"asked {what}", text) for what, text in link_lines(v)]
    if v.observed:
        since = (datetime.now(UTC) - v.observed.at).total_seconds() if v.observed.at else 0.0
        lines.append(("seen", f"{span(max(since, 0.0))} ago, hostname {v.observed.hostname or '?'}"))
        lines += [(f"seen {i.name}", ", ".join((i.mac, *i.addresses))) for i in v.observed.interfaces]
        lines.append(("seen dns", ", ".join(v.observed.dns)))
    return facts(lines + _by_tools(v.tools))


def _by_tools(tools: Tools | None) -> list[tuple[str, str]]:
    """What its hypervisor's own program in it says."""
    if tools is None or not tools.running:
        return [("tools", "not running")] if tools else []
    verdict = "" if tools.mismatches is None else "; ".join(tools.mismatches) or "as asked for"
    return [
        ("tools", ", ".join(filter(None, (f"hostname {tools.hostname or '?'}", tools.os)))),
        *((f"tools {i.mac}", ", ".join(i.addresses)) for i in tools.interfaces),
        ("tools network", verdict),
    ]
