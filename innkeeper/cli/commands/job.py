# SPDX-License-Identifier: Apache-2.0
"""inn job ..."""

from datetime import UTC, datetime

import click

from innkeeper.cli import options as shared
from innkeeper.cli.live import follow
from innkeeper.cli.output import Column, facts, show, show_one, table
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import age, clean, lines, span
from innkeeper.models.job import Evidence, Job, JobStep

SHOWN_LINES = 6

COLUMNS = (
    Column("ID", lambda j: j.id),
    Column("KIND", lambda j: j.kind),
    Column("STATE", lambda j: j.state, state=True),
    Column("STEP", lambda j: j.step),
    Column("VM", lambda j: j.vm),
    Column("TOOK", lambda j: _took(j)),
    Column("AGE", lambda j: age(j.created_at, datetime.now(UTC))),
)
STEP_COLUMNS = (
    Column("STEP", lambda s: s.name),
    Column("STATE", lambda s: s.state, state=True),
    Column("TOOK", lambda s: _took(s)),
    Column("USUALLY", lambda s: span(s.expected_s) if s.expected_s else ""),
    Column("MAY BE SILENT", lambda s: span(s.silence_s) if s.silence_s else ""),
)


@click.group()
def job() -> None:
    """Jobs: what was asked for, and how far it is."""


@job.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The project's jobs."""
    with session.client() as client:
        show(list(client.jobs.list()), COLUMNS, form, empty="No jobs yet.")


@job.command("show")
@click.argument("job_id", metavar="ID")
@shared.output
@click.pass_obj
def show_(session: Session, job_id: str, form: str) -> None:
    """One job, its steps, and why it failed if it did."""
    with session.client() as client:
        show_one(client.jobs.get(job_id), _details, form)


@job.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Watch at most this long."
)
@click.pass_obj
def watch(session: Session, job_ids: tuple[str, ...], timeout: float | None) -> None:
    """Follow jobs until they end; exit code 7 if one fails."""
    with session.client() as client:
        followed(client, {job_id: job_id for job_id in job_ids}, "table", timeout)


def _order(verb: str, text: str) -> click.Command:
    """A command that has the owner's word done about one job."""

    @click.command(verb, help=text)
    @click.argument("job_id", metavar="ID")
    @shared.waiting
    @shared.output
    @click.pass_obj
    def order(session: Session, job_id: str, wait: bool, timeout: float | None, form: str) -> None:
        with session.client() as client:
            ordered: Job = getattr(client.jobs, verb)(job_id)
            if wait:
                ordered = follow(client, [job_id], timeout=timeout, out=shared.progress_to(form))[job_id]
            show_one(ordered, _details if wait else lambda j: str(j.id), form)

    return order


for _verb, _text in {
    "cancel": "Stop a job and walk back what it did.",
    "retry": "Run a failed or stalled job again.",
    "rollback": "Give up a stalled job and walk back what it did.",
}.items():
    job.add_command(_order(_verb, _text))


def _took(item: Job | JobStep) -> str:
    if item.started_at is None:
        return ""
    return span(max(0.0, ((item.finished_at or datetime.now(UTC)) - item.started_at).total_seconds()))


def _details(j: Job) -> str:
    head = facts(
        [
            ("id", j.id),
            ("kind", j.kind),
            ("state", j.state),
            ("phase", _phase(j)),
            ("vm", j.vm),
            ("took", _took(j)),
            ("error", f"{j.error.title}: {j.error.detail}" if j.error else ""),
        ]
    )
    steps = [s for s in j.steps if not s.undo or s.state != "pending"]
    seen = _seen(j, j.error.evidence) if j.error and j.error.evidence else ""
    return "\n\n".join(part for part in (head, table(steps, STEP_COLUMNS) if steps else "", seen) if part)


def _phase(j: Job) -> str:
    if j.phase is None:
        return ""
    percent = f" {j.phase.percent:.0f}%" if j.phase.percent is not None else ""
    ago = f", {age(j.phase.at, datetime.now(UTC))} ago" if j.phase.at else ""
    return f"{j.phase.name}{percent}{ago}"


def _seen(j: Job, evidence: Evidence) -> str:
    """What was seen of the vm when the job broke, in short, and where the rest is."""
    parts = [evidence.note] if evidence.note else []
    for what, text in (("log", evidence.log), ("console", evidence.console)):
        ends = [f"  {line}" for line in lines(text) if line.strip()][-SHOWN_LINES:]
        parts += [f"{what}, its end:", *ends] if ends else []
    if evidence.links:
        parts.append(f"all of it: inn vm console-log {j.vm} --job {j.id}")
    if evidence.screenshot:
        parts.append(f"its screen: inn vm screenshot {j.vm} --job {j.id}")
    return "\n".join(clean(part) for part in parts)
