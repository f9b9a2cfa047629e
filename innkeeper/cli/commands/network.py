# SPDX-License-Identifier: Apache-2.0
"""inn network ..."""

from collections.abc import Mapping
from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.models.catalogue import Network

COLUMNS = (
    Column("NAME", lambda n: n.name or n.id),
    Column("KIND", lambda n: n.kind),
    Column("CIDR", lambda n: n.cidr),
    Column("GATEWAY", lambda n: n.gateway),
    Column("DNS", lambda n: ", ".join(n.dns)),
    Column("RANGES", lambda n: ", ".join(_range(one) for one in n.ranges)),
)


@click.group()
def network() -> None:
    """Networks vms can be plugged into."""


@network.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The networks a vm can be plugged into."""
    with session.client() as client:
        show(list(client.networks.list()), COLUMNS, form, empty="None.")


@network.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One network: what it has to give, and to whom."""
    with session.client() as client:
        show_one(client.networks.find(name), _details, form)


@network.command()
@click.argument("name")
@click.option("--range", "ranges", multiple=True, metavar="FIRST-LAST", help="Addresses for who doesn't say which.")
@click.option("--reserve", multiple=True, metavar="ADDRESS=VM|MAC", help="An address that is one vm's or card's.")
@click.option("--no-ranges", is_flag=True, help="It gives no addresses any more.")
@click.option("--no-reservations", is_flag=True, help="No address is anybody's any more.")
@shared.output
@click.pass_obj
def change(session: Session, /, name: str, form: str, **options: Any) -> None:
    """Replace a network's ranges or its reservations; what isn't named stays."""
    changes = _changes(options)
    with session.client() as client:
        show_one(client.networks.change(client.networks.find(name), changes), _details, form)


def _changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """The body; raises UsageError for what can't be read."""
    made: dict[str, Any] = {}
    if options["ranges"] or options["no_ranges"]:
        made["ranges"] = [_parted(text, "-", ("start", "end")) for text in options["ranges"]]
    if options["reserve"] or options["no_reservations"]:
        made["reservations"] = [_reservation(text) for text in options["reserve"]]
    if not made:
        raise click.UsageError("nothing to change: give --range, --reserve, --no-ranges or --no-reservations")
    return made


def _reservation(text: str) -> dict[str, str]:
    found = _parted(text, "=", ("address", "whose"))
    whose = found.pop("whose")
    return {**found, "mac" if whose.count(":") == 5 else "name": whose}


def _parted(text: str, by: str, names: tuple[str, str]) -> dict[str, str]:
    first, _, second = text.partition(by)
    if not first.strip() or not second.strip():
        raise click.UsageError(f"{text!r} is not {names[0]}{by}{names[1]}")
    return {names[0]: first.strip(), names[1]: second.strip()}


def _range(one: Mapping[str, Any]) -> str:
    return f"{one.get('start')}-{one.get('end')}"


def _details(n: Network) -> str:
    lines = [
        ("name", n.name),
        ("id", n.id),
        ("kind", n.kind),
        ("cidr", n.cidr),
        ("gateway", n.gateway),
        ("dns", ", ".join(n.dns)),
        ("vlan", str(n.vlan) if n.vlan else ""),
        ("anti-spoof", "yes" if n.anti_spoof else ""),
    ]
    lines += [("range", _range(one)) for one in n.ranges]
    lines += [("reserved", f"{r.get('address')} for {r.get('mac') or r.get('name')}") for r in n.reservations]
    return facts(lines)
