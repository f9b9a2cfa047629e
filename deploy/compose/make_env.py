# SPDX-License-Identifier: Apache-2.0
"""`python3 deploy/compose/make_env.py`: the passwords of a new installation in containers, made once, kept afterwards.

Standard library only. `deploy/.env` is read by compose; `deploy/compose/secrets/admin-password` by the first admin.
"""

import os
import secrets
import sys
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
NAMES = ("POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD", "GRAFANA_PASSWORD")


def lines(there: str) -> str:
    """What is there, and a password for each name it lacks."""
    known = {line.partition("=")[0].strip() for line in there.splitlines()}
    more = [f"{name}={secrets.token_hex(24)}\n" for name in NAMES if name not in known]
    return there + ("\n" if there and not there.endswith("\n") else "") + "".join(more)


def write(path: Path, text: str, mode: int) -> None:
    """The file is whole or not there, and never readable by others for a moment."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.chmod(mode)
    draft.rename(path)


def make(deploy: Path = DEPLOY) -> list[Path]:
    """Make what is missing; the files."""
    env, folder = deploy / ".env", deploy / "compose" / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = env.read_text() if env.exists() else ""
    if lines(there) != there:
        write(env, lines(there), 0o600)
    password = folder / "admin-password"
    if not password.exists():
        # Compose mounts this file as it is, and what reads it in the container is another user; the folder keeps it.
        write(password, f"{secrets.token_urlsafe(18)}\n", 0o444)
    return [env, password]


def main() -> int:
    """Make them, and say where they are."""
    for path in make():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
