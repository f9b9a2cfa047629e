# SPDX-License-Identifier: Apache-2.0
"""Signed, expiring commands and URLs: JWS with Ed25519, so that a host needs the public key only."""

import time
from urllib.parse import urlsplit

import jwt

from services.common.contracts.codec import dump, load
from services.common.contracts.commands import Command

ALGORITHM = "EdDSA"
COMMAND_TTL_S = 120
# A host's clock may be off by this much.
LEEWAY_S = 30


class BadSignature(ValueError):
    """Not signed by us, for somebody else, expired, or not what it says it is."""


def sign_command(command: Command, private_pem: str, ttl_s: float = COMMAND_TTL_S) -> str:
    """The command as a token that only its host accepts, and only for `ttl_s` seconds."""
    now = time.time()
    claims = {
        "typ": "command",
        "aud": f"host:{command.host}",
        "iat": int(now),
        "exp": int(now + ttl_s),
        "jti": command.id,
    }
    return jwt.encode({**claims, "cmd": dump(command)}, private_pem, algorithm=ALGORITHM)


def verify_command(token: str, public_pem: str, host_id: str) -> Command:
    """The command of a token; raises BadSignature with the reason."""
    claims = _verified(token, public_pem, f"host:{host_id}", "command")
    try:
        return load(Command, claims["cmd"])
    except (KeyError, ValueError) as error:
        raise BadSignature(f"not a command: {error}") from error


def sign_url(url: str, private_pem: str, ttl_s: float = 600) -> str:
    """`url` with a token that opens its path for `ttl_s` seconds."""
    now = time.time()
    claims = {"typ": "url", "aud": urlsplit(url).path, "iat": int(now), "exp": int(now + ttl_s), "jti": "url"}
    return f"{url}?t={jwt.encode(claims, private_pem, algorithm=ALGORITHM)}"


def verify_url_token(path: str, token: str, public_pem: str) -> None:
    """Return quietly if the token opens this path now; raises BadSignature otherwise."""
    _verified(token, public_pem, path, "url")


def _verified(token: str, public_pem: str, audience: str, kind: str) -> dict[str, object]:
    try:
        claims: dict[str, object] = jwt.decode(
            token,
            public_pem,
            algorithms=[ALGORITHM],
            audience=audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "aud", "jti"]},
        )
    except jwt.PyJWTError as error:
        raise BadSignature(str(error)) from error
    if claims.get("typ") != kind:
        raise BadSignature(f"a token for {claims.get('typ')!r}, not for {kind!r}")
    return claims
