# SPDX-License-Identifier: Apache-2.0
"""inn image preview"""

from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import show_one
from innkeeper.cli.session import Session
from innkeeper.cli.spec import described, spec
from innkeeper.models.image import ImagePreview


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


def _text(found: ImagePreview) -> str:
    return "\n".join(f"--- {file.path}\n{file.text.rstrip()}" for file in found.files)
