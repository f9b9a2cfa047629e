# SPDX-License-Identifier: Apache-2.0
"""inn version"""

import click

from innkeeper import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"inn {__version__}")
