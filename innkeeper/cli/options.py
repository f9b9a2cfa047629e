# SPDX-License-Identifier: Apache-2.0
"""Options that many commands share."""

import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

from innkeeper.cli.output import FORMATS

F = TypeVar("F", bound=Callable[..., Any])


def output(command: F) -> F:
    """-o table|json|yaml|name, as `form`."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="Form of the result.",
    )(command)


def waiting(command: F) -> F:
    """--wait/--async and --timeout, as `wait` and `timeout`."""
    command = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Wait at most this long (exit code 8).",
    )(command)
    return click.option(
        "--wait/--async", "wait", default=True, show_default=True, help="Follow the job, or print its id and go."
    )(command)


def progress_to(form: str) -> TextIO:
    """Where progress goes: beside a table on stdout, and to stderr where stdout is for a program."""
    return sys.stdout if form == "table" else sys.stderr
