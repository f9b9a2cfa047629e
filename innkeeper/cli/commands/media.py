# SPDX-License-Identifier: Apache-2.0
"""inn media ..."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import age, size
from innkeeper.models.catalogue import Media

if TYPE_CHECKING:
    from innkeeper.client import Client

_CHUNK = 1 << 20
COLUMNS = (
    Column("NAME", lambda m: m.name),
    Column("STATE", lambda m: m.state, state=True),
    Column("OS", lambda m: m.os),
    Column("KIND", lambda m: m.kind),
    Column("SIZE", lambda m: size(m.size)),
    Column("USED", lambda m: age(m.last_used_at, datetime.now(UTC))),
    Column("PROTECTED", lambda m: "yes" if m.protect else ""),
)
_OS = click.option("--os", default="", metavar="NAME", help="The system it is the image of, see `inn os list`.")
_KIND = click.option(
    "--kind",
    type=click.Choice(("cloud-image", "iso")),
    help="What it is; left out: an ISO if its name ends in .iso.",
)


@click.group()
def media() -> None:
    """Vendors' ISOs and cloud images."""


@media.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The project's media."""
    with session.client() as client:
        show(
            list(client.media.list()), COLUMNS, form, empty="No media yet: inn media import NAME --url URL --sha256 SUM"
        )


@media.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One medium."""
    with session.client() as client:
        show_one(client.media.find(name), _details, form)


@media.command("import")
@click.argument("name")
@click.option("--url", required=True, help="Where it is fetched from.")
@click.option("--sha256", required=True, metavar="SUM", help="The sha256 its vendor publishes.")
@_OS
@_KIND
@click.option("--protect", is_flag=True, help="Never collect it to make room for others.")
@shared.waiting
@shared.output
@click.pass_obj
def import_(session: Session, /, name: str, url: str, kind: str | None, wait: bool, **more: Any) -> None:
    """Have the platform fetch a medium from its vendor."""
    spec = {"name": name, "url": url, "sha256": more["sha256"].lower(), "os": more["os"], "protect": more["protect"]}
    with session.client() as client:
        job = client.media.add({**spec, "kind": kind or _kind(url)})
        _ended(client, job.id, name, wait, more)


@media.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sha256", metavar="SUM", help="The sha256 its vendor publishes; left out: the file's own.")
@_OS
@_KIND
@shared.waiting
@shared.output
@click.pass_obj
def upload(session: Session, /, name: str, file: Path, kind: str | None, wait: bool, **more: Any) -> None:
    """Send a medium from here. After a break, the same command goes on where it was."""
    out = shared.progress_to(more["form"])
    own = _sum(file, out)
    if more["sha256"] and more["sha256"].lower() != own:
        raise click.UsageError(f"--sha256: {file} has the sha256 {own}; it is not the file that was published")
    spec = {"name": name, "size": file.stat().st_size, "sha256": own, "os": more["os"]}
    with session.client() as client:
        medium = _expected(client, {**spec, "kind": kind or _kind(file.name)})
        # All of it may be there already, from an earlier try whose answer was lost.
        job_id = medium.job or _send(client, medium, file, out)
        _ended(client, job_id, name, wait, more)


@media.command()
@click.argument("name")
@shared.waiting
@shared.output
@click.pass_obj
def reimport(session: Session, /, name: str, wait: bool, **more: Any) -> None:
    """Fetch a medium again that was collected, or whose import failed."""
    with session.client() as client:
        begun = client.media.again(client.media.find(name).id)
        if begun.job is None:
            raise click.UsageError(f"{name} was sent by you: inn media upload {name} FILE sends it again")
        _ended(client, begun.job.id, name, wait, more)


@media.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Let it be collected again.")
@shared.output
@click.pass_obj
def protect(session: Session, name: str, off: bool, form: str) -> None:
    """Never collect a medium to make room for others."""
    with session.client() as client:
        show_one(client.media.protect(client.media.find(name).id, not off), _details, form)


@media.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Remove media; vms made from them stay."""
    with session.client() as client:
        media = [client.media.find(name) for name in names]
        sure(yes, f"delete {', '.join(m.name for m in media)}")
        for found in media:
            client.media.delete(found.id)
            click.echo(f"{found.name} deleted", err=True)


def _kind(name: str) -> str:
    return "iso" if name.lower().partition("?")[0].endswith(".iso") else "cloud-image"


def _sum(file: Path, out: TextIO) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as source, _bar(file.stat().st_size, "Reading", out) as bar:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _expected(client: "Client", spec: dict[str, Any]) -> Media:
    """The medium to send: one that waits for just this file, or a new one."""
    old = next((m for m in client.media.list() if m.name == spec["name"]), None)
    if old is None or not old.upload or (old.sha256, old.size) != (spec["sha256"], spec["size"]):
        return client.media.expect(spec)
    if old.state in ("collected", "failed"):
        return client.media.again(old.id).media
    return old if old.state == "importing" else client.media.expect(spec)


def _send(client: "Client", medium: Media, file: Path, out: TextIO) -> str:
    with open(file, "rb") as source, _bar(file.stat().st_size, f"Sending {medium.name}", out) as bar:
        job = client.media.send(medium.id, source, lambda offset: bar.update(offset - bar.pos))
    return job.id


def _bar(length: int, label: str, out: TextIO) -> Any:
    """On a terminal a bar with what is left; elsewhere one line."""
    return click.progressbar(length=length, label=label, file=out, show_pos=False, show_eta=True)


def _ended(client: "Client", job_id: str, name: str, wait: bool, options: dict[str, Any]) -> None:
    if not wait:
        click.echo(job_id)
        return
    followed(client, {job_id: name}, options["form"], options["timeout"])
    show_one(client.media.find(name), _details, options["form"])


def _details(m: Media) -> str:
    return facts(
        [
            ("name", m.name),
            ("id", m.id),
            ("state", m.state),
            ("error", m.error),
            ("os", m.os),
            ("kind", m.kind),
            ("size", size(m.size)),
            ("sha256", m.sha256),
            ("disk in it", m.kept_sha256 if m.kept_sha256 != m.sha256.lower() else ""),
            ("from", m.url or "an upload"),
            ("protected", "yes" if m.protect else "no"),
            ("job", m.job),
            ("used", _when(m.last_used_at)),
            ("collected", _when(m.collected_at)),
            ("created", _when(m.created_at)),
        ]
    )


def _when(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
