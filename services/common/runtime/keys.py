# SPDX-License-Identifier: Apache-2.0
"""The installation's keys: for JWTs (by kid), for signing commands and URLs, and for sealing secrets at rest.

`python -m services.common.runtime.keys init` makes what is missing in INNKEEPER_KEYS_DIR; it never replaces a key.
"""

import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

JWT_FILE, COMMAND_FILE, SEAL_FILE = "jwt.json", "command.pem", "seal.key"


class KeysError(Exception):
    """A key is missing or can't be read; the message says which and how to make it."""


@dataclass(frozen=True)
class Keys:
    """Loaded keys; their repr shows none."""

    jwt_current: tuple[str, bytes]
    jwt_all: dict[str, bytes]
    command_private_pem: str
    command_public_pem: str
    seal_key: bytes

    def __repr__(self) -> str:
        return f"Keys(kid={self.jwt_current[0]})"

    @classmethod
    def load(cls, directory: Path) -> "Keys":
        """Read the keys; raises KeysError that names the file."""
        try:
            ring = json.loads((directory / JWT_FILE).read_text())
            private = (directory / COMMAND_FILE).read_text()
            seal = (directory / SEAL_FILE).read_bytes().strip()
        except (OSError, ValueError) as error:
            raise KeysError(f"{error}; make keys with: python -m services.common.runtime.keys init") from error
        every = {kid: bytes.fromhex(text) for kid, text in ring["keys"].items()}
        key = load_pem_private_key(private.encode(), password=None)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return cls((ring["current"], every[ring["current"]]), every, private, public, seal)

    def seal(self, text: str) -> str:
        """Encrypt a secret for keeping in the database."""
        return Fernet(self.seal_key).encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """The secret again; raises KeysError when another key sealed it."""
        try:
            return Fernet(self.seal_key).decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise KeysError("a secret was sealed with another key than seal.key") from error


def _write_once(path: Path, data: bytes) -> None:
    if path.exists():
        return
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)


def init(directory: Path) -> None:
    """Make every key that is missing, readable by the owner only."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    kid = secrets.token_hex(4)
    _write_once(directory / JWT_FILE, json.dumps({"current": kid, "keys": {kid: secrets.token_hex(32)}}).encode())
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_once(directory / COMMAND_FILE, private)
    _write_once(directory / SEAL_FILE, Fernet.generate_key())


def main(arguments: list[str]) -> int:
    """`init`: make the keys in INNKEEPER_KEYS_DIR."""
    directory = os.environ.get("INNKEEPER_KEYS_DIR")
    if arguments != ["init"] or not directory:
        print("usage: INNKEEPER_KEYS_DIR=... python -m services.common.runtime.keys init", file=sys.stderr)
        return 2
    init(Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
