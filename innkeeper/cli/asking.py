# SPDX-License-Identifier: Apache-2.0
"""Questions before something is lost, and secrets that are typed: never arguments, which others can read."""

import sys

import click


def sure(yes: bool, doing: str) -> None:
    """Go on with --yes or where a person agrees; `doing` is what would happen ("delete user ada")."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"--yes is needed to {doing} where nobody can be asked")
    click.confirm(f"{doing[0].upper()}{doing[1:]}?", abort=True)


def password(from_stdin: bool, what: str = "Password", again: bool = True) -> str:
    """One that is typed (twice, with `again`), or standard input's first line. Empty ones are refused."""
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = click.prompt(what, hide_input=True, confirmation_prompt=again)
    if not given:
        raise click.UsageError("the password is empty")
    return str(given)
