# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.local VERB`: up, down, status, demo. Exit codes: 0 done, 1 not, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console

from deploy.local import stack
from deploy.local.home import Home
from deploy.local.settings import Addresses
from deploy.local.status import show


@click.group()
def main() -> None:
    """The embedded stack: everything Innkeeper needs, on this machine alone."""


def _say(text: str) -> None:
    click.echo(text)


@main.command()
def up() -> None:
    """Start the stack and wait until it is ready."""
    home = Home.default()
    stack.up(home, _say)
    _say(f"ready: {Addresses.load(home).api_url}/docs (`make status` shows more)")


@main.command()
@click.option("--purge", is_flag=True, default=lambda: os.environ.get("PURGE", "0") not in ("", "0"))
def down(purge: bool) -> None:
    """End the stack; with --purge (or PURGE=1) its virtual machines and data too."""
    stack.down(Home.default(), purge, _say)


@main.command()
def status() -> None:
    """Show every process and address; exit code 1 when something isn't well."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    if not show(Home.default(), console):
        sys.exit(1)


@main.command()
def demo() -> None:
    """Start the stack, register this machine as a host, and provision two virtual machines."""
    from deploy.local.demo import run

    home = Home.default()
    stack.up(home, _say)
    run(home, _say)


if __name__ == "__main__":
    try:
        main(prog_name="python -m deploy.local", standalone_mode=True)
    except stack.StackError as error:
        click.echo(f"innkeeper: {error}", err=True)
        sys.exit(1)
