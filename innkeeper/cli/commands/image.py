# SPDX-License-Identifier: Apache-2.0
"""inn image preview | build | download | list | show | delete"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.spec import described, spec
from innkeeper.cli.words import age, size
from innkeeper.models.image import Image, ImagePreview

if TYPE_CHECKING:
    from innkeeper.client import Client

COLUMNS = (
    Column("ID", lambda i: i.id),
    Column("NAME", lambda i: i.name),
    Column("OS", lambda i: i.os),
    Column("SIZE", lambda i: size(i.size)),
    Column("AGE", lambda i: age(i.created_at, datetime.now(UTC))),
)


@click.group()
def image() -> None:
    """Installation images."""


@image.command()
@click.argument("name")
@described
@click.option("--path", metavar="FILE", help="Only this file, as it is.")
@shared.output
@click.pass_obj
def preview(session: Session, /, name: str, path: str | None, form: str, **options: Any) -> None:
    """The files a vm called NAME would be set up by. Nothing is built; secrets are masked."""
    with session.client() as client:
        found = client.images.preview(spec(name, options))
    if path is None:
        show_one(found, _text, form)
        return
    file = next((file for file in found.files if file.path == path), None)
    if file is None:
        raise click.UsageError(f"--path: no file {path!r}; there are {', '.join(f.path for f in found.files)}")
    click.echo(file.text, nl=False)


@image.command()
@click.argument("name")
@described
@click.option("-o", "--out", metavar="FILE", help="Download it to this file; else it is kept at the server for a day.")
@click.pass_obj
def build(session: Session, /, name: str, out: str | None, **options: Any) -> None:
    """Build an image for a machine called NAME, without making a vm of it."""
    with session.client() as client:
        made = client.images.build(spec(name, options))
        if out is None:
            click.echo(_told(made))
            click.echo(f"Download it: inn image download {made.id}", err=True)
        else:
            _download(client, made, Path(out))


@image.command()
@click.argument("image_id", metavar="ID")
@click.option("-o", "--out", metavar="FILE", help="Where to put it. Default: NAME.iso")
@click.pass_obj
def download(session: Session, image_id: str, out: str | None) -> None:
    """Download an image that was built; goes on where an earlier try broke off."""
    with session.client() as client:
        found = client.images.get(image_id)
        _download(client, found, Path(out or f"{found.name or found.id}.iso"))


@image.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The images that are kept."""
    with session.client() as client:
        show(list(client.images.list()), COLUMNS, form, "No images. `inn image build NAME --os ...` makes one.")


@image.command("show")
@click.argument("image_id", metavar="ID")
@shared.output
@click.pass_obj
def show_(session: Session, image_id: str, form: str) -> None:
    """One image, with a URL that is good for minutes."""
    with session.client() as client:
        show_one(client.images.get(image_id), _told, form)


@image.command()
@click.argument("image_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def delete(session: Session, image_ids: tuple[str, ...]) -> None:
    """Remove images before their time."""
    with session.client() as client:
        for image_id in image_ids:
            client.images.delete(image_id)
            click.echo(f"{image_id} deleted")


def _download(client: "Client", wanted: Image, path: Path) -> None:
    from innkeeper.cli.transfer import shown

    try:
        with shown(path.name, sys.stderr) as tell:
            client.images.download(wanted.id, path, tell)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
    click.echo(str(path))


def _told(made: Image) -> str:
    return facts(
        [
            ("id", made.id),
            ("os", made.os),
            ("size", size(made.size)),
            ("sha256", made.sha256),
            ("macs", ", ".join(made.macs)),
            ("until", made.expires_at.isoformat(timespec="seconds") if made.expires_at else ""),
            ("url", made.url),
        ]
    )


def _text(found: ImagePreview) -> str:
    return "\n".join(f"--- {file.path}\n{file.text.rstrip()}" for file in found.files)
