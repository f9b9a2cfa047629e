# SPDX-License-Identifier: Apache-2.0
"""inn explain"""

from typing import TYPE_CHECKING, Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.exits import Exit
from innkeeper.cli.output import show_one
from innkeeper.cli.session import Session
from innkeeper.cli.spec import DECIDING, described, needs
from innkeeper.cli.verdict import explanation_text
from innkeeper.cli.words import clean
from innkeeper.errors import NotFound
from innkeeper.models.placement import Explanation
from innkeeper.models.policy import Decision, Replay

if TYPE_CHECKING:
    from innkeeper.client import Client


@click.command()
@click.argument("target", metavar="[VM|JOB]", required=False)
@described
@click.option("--like", metavar="VM", help="A vm as this one is; other options win.")
@click.option("--why-not", metavar="HOST", help="Say why this host is not chosen.")
@click.option("--replay", is_flag=True, help="Decide what was decided of VM or JOB once more, and compare.")
@shared.output
@click.pass_obj
def explain(
    session: Session, /, target: str | None, like: str | None, why_not: str | None, form: str, **options: Any
) -> int:
    """Why is this vm where it is? Or, without one: where would a vm of this description go? Nothing is reserved.

    Exit code 5 where no host can take it, or could; with --replay, where it would be decided differently.
    """
    if target and (like or why_not):
        raise click.UsageError("what was decided is over; ask what would be now: --like VM --why-not HOST")
    if options.pop("replay"):
        return _replayed(session, target, form)
    with session.client() as client:
        decision = _decided(client, target) if target else _asked(client, like, why_not, options)
    if form == "name":
        click.echo(decision.hosts.get(decision.host, decision.host))
    else:
        show_one(decision, explanation_text, form)
    return 0 if decision.host else 5


def _asked(client: "Client", like: str | None, why_not: str | None, options: dict[str, Any]) -> Explanation:
    """What would be decided now."""
    asked = needs(options)
    if like:
        same = {key: value for key, value in client.vms.find(like).raw.items() if key in DECIDING and value}
        if "flavor" in asked:
            same = {key: value for key, value in same.items() if key not in ("vcpus", "memory_mib", "disk_gib")}
        else:
            same.pop("flavor", None)  # a flavor may have changed, or gone: the vm has the size it has
        asked = {**same, **asked}
    return client.placements.explain(asked | ({"why_not": why_not} if why_not else {}))


def _decided(client: "Client", target: str) -> Explanation:
    """What was decided last, of a job's id or of a vm."""
    explanation = _latest(client, target).explanation
    if explanation is None:
        raise _unkept(target)
    return explanation


def _latest(client: "Client", target: str) -> Decision:
    found = client.decisions.latest(job=target) or client.decisions.latest(vm=client.vms.find(target).id)
    if found is None:
        raise _unkept(target)
    return found


def _unkept(target: str) -> NotFound:
    detail = f"no decision is kept of {target!r}: it was not placed yet, or long ago"
    return NotFound(404, {"title": "There is no such thing", "detail": detail})


def _replayed(session: Session, target: str | None, form: str) -> int:
    if not target:
        raise click.UsageError("name the VM or JOB whose placement shall be decided again")
    with session.client() as client:
        found = client.decisions.replay(_latest(client, target).id)
    show_one(found, _told, form if form != "name" else "table")
    return Exit.REFUSED if found.same is False else Exit.OK


def _told(found: Replay) -> str:
    verdicts = {True: "decided alike, to the last bit", False: "decided differently", None: "can't be decided again"}
    lines = [f"{verdicts[found.same]} (policy {found.policy} {found.policy_sha[:12]})"]
    lines += [f"  differs: {one}" for one in found.differs]
    if found.checked:
        lines.append(f"  checked: {', '.join(found.checked)}")
    lines += [f"  open: {one}" for one in found.open]
    return "\n".join(map(clean, lines))
