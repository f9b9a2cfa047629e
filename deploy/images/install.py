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
from deploy.images.patience import insist

SITE = Path("/opt/innkeeper/site")
PIP = ("/tools/bin/python", "-m", "pip", "install", "--progress-bar", "off", "--require-hashes", "--no-deps")
# What packages bring for the tests of others; nothing of it is run.
_NOT_RUN = ("sqlalchemy/testing", "alembic/testing", "mako/testing", "bin")


def pip_command(requirements: Path, build: Sequence[str], site: Path | None) -> list[str]:
    """Wheels alone, but for what must be built here; beside pip itself where there is no `site`."""
    built = [word for name in build for word in ("--no-binary", name)]
    where = ["--no-compile", "--target", str(site)] if site else []
    return [*PIP, "--only-binary", ":all:", *built, *where, "-r", str(requirements)]


def strippable(site: Path) -> Iterator[Path]:
    """Extension modules; not the libraries that wheels bring along, whose layout was patched and would break."""
    for found in sorted(site.rglob("*.so")):
        if not any(part.endswith(".libs") for part in found.parts):
            yield found


def fetch(wish: Wish, build: Sequence[str], site: Path | None) -> int:
    """Ask the index, again where it fails; check and unpack. pip's exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(entry.text for entry in read(wish)))
        file.flush()
        return insist(pip_command(Path(file.name), build, site))


def shrink(site: Path) -> None:
    """Take away symbols for debuggers and what is not run."""
    for name in _NOT_RUN:
        shutil.rmtree(site / name, ignore_errors=True)
    libraries = [*strippable(site)]
    if libraries:
        subprocess.run(["strip", "--strip-unneeded", *map(str, libraries)], check=True)


def main(arguments: list[str]) -> int:
    """Install what the extras need."""
    parser = arguments_of("Install locked packages for an image.")
    parser.add_argument("--build", nargs="*", default=[], help="packages that have no wheel")
    parser.add_argument("--tools", action="store_true", help="what the build itself runs: not into an image")
    options = parser.parse_args(arguments)
    site = None if options.tools else SITE
    code = fetch(Wish(options.extras, options.without, options.left_out), options.build, site)
    if code == 0 and site:
        shrink(site)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
