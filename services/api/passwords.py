# SPDX-License-Identifier: Apache-2.0
"""Passwords at the door: argon2id for our users, SHA-512-crypt for the users inside guests."""

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from passlib.hash import sha512_crypt

# About 30 ms with crypt(3); guests check it themselves, so it must stay in what old libcs understand.
_GUEST_ROUNDS = 50_000


class Passwords:
    """Hashes and checks; an unknown user costs as much time as a wrong password."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody = _nobodys(self._hasher)

    def hash(self, password: str) -> str:
        """argon2id, as it is kept for a user of the platform."""
        return self._hasher.hash(password)

    def right(self, kept: str | None, password: str) -> bool:
        """Whether the password is the user's; None stands for a user that does not exist."""
        try:
            return self._hasher.verify(kept or self._nobody, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def _nobodys(hasher: PasswordHasher) -> str:
    """A hash that no password has, and that takes as long to be checked as any: written, not worked out."""
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, result = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${costs}${salt}${result}"


def guest_hash(password: str) -> str:
    """SHA-512-crypt, as /etc/shadow of every supported guest takes it."""
    return str(sha512_crypt.using(rounds=_GUEST_ROUNDS).hash(password))
