# SPDX-License-Identifier: Apache-2.0
"""`python3 -m deploy.images.install api --without base runtime`: locked packages into SITE, checked and made small.

No bytecode is made here: `deploy.images.finish` makes that of what is run, half of all there could be.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.images.locked import Wish, arguments_of, read

SITE = Path("/opt/innkeeper/site")
PIP = ("/tools/bin/python", "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "--no-compile")
# What packages bring for the tests of others; nothing of it is run.
_NOT_RUN = ("sqlalchemy/testing", "alembic/testing", "mako/testing", "bin")


def pip_command(requirements: Path, build: Sequence[str]) -> list[str]:
    """Wheels alone, but for what must be built here."""
    built = [word for name in build for word in ("--no-binary", name)]
    return [*PIP, "--only-binary", ":all:", *built, "--target", str(SITE), "-r", str(requirements)]


def strippable(site: Path) -> Iterator[Path]:
    """Extension modules; not the libraries that wheels bring along, whose layout was patched and would break."""
    for found in sorted(site.rglob("*.so")):
        if not any(part.endswith(".libs") for part in found.parts):
            yield found


def install(wish: Wish, build: Sequence[str]) -> None:
    """Fetch, check, unpack, and take away symbols for debuggers and what is not run."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(entry.text for entry in read(wish)))
        file.flush()
        subprocess.run(pip_command(Path(file.name), build), check=True)
    for name in _NOT_RUN:
        shutil.rmtree(SITE / name, ignore_errors=True)
    libraries = [*strippable(SITE)]
    if libraries:
        subprocess.run(["strip", "--strip-unneeded", *map(str, libraries)], check=True)


def main(arguments: list[str]) -> int:
    """Install what the extras need."""
    parser = arguments_of("Install locked packages for an image.")
    parser.add_argument("--build", nargs="*", default=[], help="packages that have no wheel")
    options = parser.parse_args(arguments)
    install(Wish(options.extras, options.without, options.left_out), options.build)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
