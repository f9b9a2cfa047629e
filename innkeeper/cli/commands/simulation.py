# SPDX-License-Identifier: Apache-2.0
"""inn policy simulate, inn what-fits"""

from typing import Any, BinaryIO

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, show, show_one, table
from innkeeper.cli.session import Session
from innkeeper.cli.written import utf8
from innkeeper.models.simulation import MovedVm, Outcome, Simulation, SizeOutcome

OUTCOMES = (
    Column("POLICY", lambda o: o.policy),
    Column("PLACED", lambda o: str(o.placed)),
    Column("REFUSED", lambda o: str(o.refused)),
    Column("MOVED", lambda o: str(o.moved)),
    Column("HOSTS", lambda o: str(o.hosts_used)),
    Column("HOST HOURS", lambda o: f"{o.host_hours:.0f}"),
    Column("KWH", lambda o: f"{o.kwh:.1f}"),
    Column("HOT HOURS", lambda o: f"{o.hot_host_hours:.1f}"),
    Column("WAKES", lambda o: str(o.wakes)),
    Column("P50, P99", lambda o: f"{o.decision_p50_us:.0f}, {o.decision_p99_us:.0f} us"),
)
SIZES = (
    Column("FLAVOR", lambda pair: pair[1].flavor),
    Column("SIZE", lambda pair: _size(pair[1])),
    Column("ASKED", lambda pair: str(pair[1].asked)),
    Column("REFUSED", lambda pair: f"{pair[0].refused} -> {pair[1].refused}"),
    Column("MOVED", lambda pair: str(pair[1].moved)),
)
MOVES = (
    Column("VM", lambda m: m.vm),
    Column("BEFORE", lambda m: m.before),
    Column("AFTER", lambda m: m.after or "refused"),
)
FITS = (
    Column("FLAVOR", lambda f: f.flavor),
    Column("SIZE", lambda f: _size(f)),
    Column("FIT", lambda f: f"{f.count}{' or more' if f.at_least else ''}"),
    Column("ON HOSTS", lambda f: str(f.hosts)),
    Column("STOPPED BY", lambda f: ", ".join(f.stopped_by)),
)
SHOWN = 10  # moves; -o json has more


@click.command()
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--policy", metavar="NAME[@VERSION]|SHA256", help="A stored version instead of FILE.")
@click.option("--trace", type=click.File("rb"), help="Hosts and requests as lines of JSON; else what is recorded.")
@click.option("--days", type=click.FloatRange(0, 3650, min_open=True), help="How far back what is recorded is taken.")
@click.option("--decisions", type=click.IntRange(1, 10_000), help="At most so many of them, the latest.")
@click.option("--svg", type=click.File("w", lazy=True), help="Draw a picture into this file.")
@shared.output
@click.pass_obj
def simulate(session: Session, /, file: BinaryIO | None, svg: Any, form: str, **options: Any) -> None:
    """Say what the policy in FILE would have done, beside the one in force. Nothing is stored or placed."""
    if bool(file) == bool(options["policy"]):
        raise click.UsageError("name a FILE or a --policy")
    asked = {key: value for key, value in options.items() if value and key != "trace"} | {"picture": svg is not None}
    if file:
        asked["text"] = utf8(file)
    if options["trace"]:
        asked["trace"] = utf8(options["trace"])
    with session.client() as client:
        found = client.policies.simulate(asked)
    if svg:
        svg.write(found.picture)
    if form == "name":
        click.echo(found.outcomes[-1].policy)
    else:
        show_one(found, _told, form)


@click.command("what-fits")
@click.option("--policy", metavar="NAME[@VERSION]|SHA256", help="Decide by this stored version.")
@click.option("--file", type=click.File("rb"), help="Decide by the policy in this file.")
@click.option("--zone", help="Only in this zone.")
@click.option("--hypervisor", help="Only on hosts of this driver.")
@click.option("--os", help="With this system, which may need something of its host.")
@click.option("--trait", "traits", multiple=True, help="Only on hosts with this trait; may be repeated.")
@shared.output
@click.pass_obj
def what_fits(session: Session, /, file: BinaryIO | None, form: str, **options: Any) -> None:
    """Say how many more vms of each flavor fit now, each flavor alone, and what stops the next one."""
    asked = {key: list(value) if key == "traits" else value for key, value in options.items() if value}
    if file:
        asked["text"] = utf8(file)
    with session.client() as client:
        found = client.policies.what_fits(asked)
    show(list(found.flavors), FITS, form, empty="There are no flavors.")


def _told(found: Simulation) -> str:
    requests = "what is recorded" if found.trace == "recorded" else "the trace"
    there = "they were placed then" if found.compared_with == "recorded" else f"{found.compared_with} places them"
    head = f"{found.vms} vms of {requests} on {found.hosts} hosts; moved is who is not where {there}"
    if not found.vms:
        return head
    return "\n\n".join([head, table(found.outcomes, OUTCOMES), *_sizes(found.outcomes), *_moves(found.moves)])


def _sizes(outcomes: tuple[Outcome, ...]) -> list[str]:
    """What becomes of each size, under the policy in force and the other."""
    force = {_size(size): size for size in outcomes[0].sizes}
    pairs = [(force.get(_size(size), size), size) for size in outcomes[-1].sizes]
    return [table(pairs, SIZES)] if pairs else []


def _moves(moves: tuple[MovedVm, ...]) -> list[str]:
    return [table(moves[:SHOWN], MOVES)] if moves else []


def _size(of: SizeOutcome) -> str:
    return f"{of.vcpus} vcpus, {of.memory_mib} MiB, {of.disk_gib} GiB"
