# SPDX-License-Identifier: Apache-2.0
"""The entry of `inn`: the table of nouns, the options of all of them, and errors as exit codes.

What is imported here is small; a noun's file, and with it httpx and rich, is imported when the noun is typed.
"""

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from innkeeper import __version__
from innkeeper.cli.contexts import BrokenConfig
from innkeeper.cli.exits import Exit, exit_of
from innkeeper.cli.problem_text import problem_text
from innkeeper.cli.session import Session
from innkeeper.errors import ClientError

# noun -> (module under commands, one line of help)
NOUNS: Mapping[str, tuple[str, str]] = {
    "vm": ("vm", "Create, list, show, start, stop and delete vms."),
    "volume": ("volume", "Make volumes, plug them into vms, grow, keep and delete them."),
    "job": ("job", "Look at jobs, follow them, cancel, retry or roll back."),
    "host": ("host", "Look at hosts."),
    "os": ("catalogue", "List the operating systems a vm can have."),
    "flavor": ("catalogue", "List the sizes a vm can have."),
    "network": ("network", "List and show networks, change what addresses they give."),
    "image": ("image", "Preview the files a vm would be set up by."),
    "media": ("media", "Import, upload, list and delete ISOs and cloud images."),
    "policy": ("policy", "Look at placement policies; try, store, activate and roll back versions."),
    "admin": ("admin", "Audit: what nobody owns."),
    "explain": ("explain", "Where would this vm go, or why is it where it is?"),
    "what-fits": ("simulation", "How many more vms of each flavor fit?"),
    "user": ("user", "Make, disable and delete users, set passwords."),
    "project": ("project", "Make projects, set their quotas, say who is in them."),
    "token": ("token", "Make and delete API tokens of yours."),
    "login": ("account", "Sign in to a server."),
    "logout": ("account", "Sign out."),
    "whoami": ("account", "Who is signed in, and where."),
    "context": ("context", "Switch between servers."),
    "completion": ("completion", "Print the completion script of a shell."),
    "version": ("version", "Print the version."),
}


class Nouns(click.Group):
    """A group that imports a command only when it is called; its help comes from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NOUNS:
            return None
        module = import_module(f"innkeeper.cli.commands.{NOUNS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(noun, text) for noun, (_, text) in NOUNS.items()])


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--context", metavar="NAME", default="", envvar="INN_CONTEXT", help="Which server, of those signed in to."
)
@click.option("--url", metavar="URL", default="", envvar="INN_URL", help="Another server than the context's.")
@click.option("--project", metavar="NAME", default="", envvar="INN_PROJECT", help="Act in this project.")
@click.version_option(__version__, prog_name="inn", message="%(prog)s %(version)s")
@click.pass_context
def inn(ctx: click.Context, context: str, url: str, project: str) -> None:
    """One request, one virtual machine.

    Start with `inn login`, then `inn vm create web-1 --os debian-12 --flavor small`.
    """
    import os

    # A token has no option: an argument can be read by every user of the machine.
    ctx.obj = Session(context, url, os.environ.get("INN_TOKEN", ""), project)


def main() -> None:
    """Run, and end the process with an exit code of exits.py."""
    sys.exit(run())


def run(args: list[str] | None = None) -> int:
    """Run with these arguments (else the process's); every error is printed, and becomes the code returned."""
    try:
        result = inn.main(args=args, prog_name="inn", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        return _reader_left()
    except ClientError as error:
        click.echo(problem_text(error), err=True)
        return exit_of(error)
    except BrokenConfig as error:
        click.echo(f"Error: {error}", err=True)
        return Exit.USAGE
    return result if isinstance(result, int) else 0


def _reader_left() -> int:
    """`inn ... | head` is no error; stdout is replaced so that the interpreter's last flush says nothing."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    main()
