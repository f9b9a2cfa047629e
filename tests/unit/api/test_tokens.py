# SPDX-License-Identifier: Apache-2.0
"""JWTs: what is issued is read again, and nothing else is."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.api.tokens import ACCESS, ALGORITHM, AUDIENCE, ISSUER, LIFETIME_S, REFRESH, Claims, Tokens
from services.common.contracts.errors import Unauthenticated


def now() -> float:
    """Whole seconds since the epoch. Asked for by each test: a run of all of them outlasts a token."""
    return float(int(time.time()))


OURS, OLD, THEIRS = b"o" * 32, b"r" * 32, b"t" * 32
TOKENS = Tokens("new", {"new": OURS, "old": OLD})
CLAIMS = Claims("user-1", "", ACCESS, "family-1", 3, 0.0, "project-1", ("read", "write"))


def body(**changed: Any) -> dict[str, Any]:
    """The body of a good access token; a change to None leaves the claim out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "jti": "jti-1",
        "iat": int(now()),
        "exp": int(now()) + 3600,
        "typ": ACCESS,
        "fam": "family-1",
        "epoch": 0,
    }
    return {k: v for k, v in {**good, **changed}.items() if v is not None}


def signed(claims: dict[str, Any], key: bytes = OURS, kid: Any = "new", algorithm: str = ALGORITHM) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    def part(data: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(claims)}.{signature}"


def with_another_body(token: str) -> str:
    header, _, signature = token.split(".")
    other = unsigned({}, body(sub="admin-1")).split(".")[1]
    return f"{header}.{other}.{signature}"


def test_an_issued_token_says_the_same_when_it_is_read() -> None:
    issued = now()
    read = TOKENS.read(TOKENS.issue(CLAIMS, issued), ACCESS)
    assert (read.sub, read.family, read.epoch, read.project, read.scopes) == (
        "user-1",
        "family-1",
        3,
        "project-1",
        ("read", "write"),
    )
    assert read.exp == issued + LIFETIME_S[ACCESS]
    assert read.jti


def test_every_token_has_an_id_of_its_own() -> None:
    ids = {TOKENS.read(TOKENS.issue(CLAIMS, now()), ACCESS).jti for _ in range(50)}
    assert len(ids) == 50


def test_a_token_of_an_earlier_key_is_good_while_the_key_is_kept() -> None:
    before = Tokens("old", {"old": OLD})
    assert TOKENS.read(before.issue(CLAIMS, now()), ACCESS).sub == "user-1"
    with pytest.raises(Unauthenticated, match="not signed by a key of this installation"):
        Tokens("new", {"new": OURS}).read(before.issue(CLAIMS, now()), ACCESS)


ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: signed(body(iat=1_000, exp=1_060)), "expired"),
    "signed by somebody else": (lambda: signed(body(), THEIRS), "not valid"),
    "signed by another key of ours than its kid says": (lambda: signed(body(), OLD, "new"), "not valid"),
    "an unknown kid": (lambda: signed(body(), THEIRS, "theirs"), "not signed by a key"),
    "a kid that is a path": (lambda: signed(body(), THEIRS, "../../../dev/null"), "not signed by a key"),
    "no kid": (lambda: jwt.encode(body(), OURS, ALGORITHM), "not signed by a key"),
    "alg none": (lambda: unsigned({"alg": "none", "kid": "new"}, body()), "not valid"),
    "alg nOnE": (lambda: unsigned({"alg": "nOnE", "kid": "new"}, body()), "not valid"),
    "alg none with a signature": (lambda: unsigned({"alg": "none", "kid": "new"}, body(), "AAAA"), "not valid"),
    "another HMAC": (lambda: signed(body(), OURS * 2, "new", "HS512"), "not valid"),
    "an asymmetric algorithm": (
        lambda: jwt.encode(body(), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "new"}),
        "not valid",
    ),
    "a key in the header": (
        lambda: jwt.encode(body(), THEIRS, ALGORITHM, headers={"kid": "new", "jwk": {"kty": "oct", "k": "dHR0"}}),
        "not valid",
    ),
    "a changed body": (lambda: with_another_body(TOKENS.issue(CLAIMS, now())), "not valid"),
    "another audience": (lambda: signed(body(aud="somebody-else")), "not valid"),
    "no audience": (lambda: signed(body(aud=None)), "not valid"),
    "another issuer": (lambda: signed(body(iss="somebody-else")), "not valid"),
    "no issuer": (lambda: signed(body(iss=None)), "not valid"),
    "issued tomorrow": (lambda: signed(body(iat=int(now()) + 86400, exp=int(now()) + 90000)), "not valid"),
    "no exp": (lambda: signed(body(exp=None)), "not valid"),
    "an exp that is a text": (lambda: signed(body(exp="tomorrow")), "not valid"),
    "no iat": (lambda: signed(body(iat=None)), "not valid"),
    "no jti": (lambda: signed(body(jti=None)), "not valid"),
    "no sub": (lambda: signed(body(sub=None)), "not valid"),
    "a sub that is a number": (lambda: signed(body(sub=7)), "not valid"),
    "no typ": (lambda: signed(body(typ=None)), "not valid"),
    "a refresh token": (lambda: signed(body(typ=REFRESH)), "access token"),
    "an unknown typ": (lambda: signed(body(typ="id")), "access token"),
    "no family": (lambda: signed(body(fam=None)), "not valid"),
    "an epoch that is no number": (lambda: signed(body(epoch="newest")), "not valid"),
    "nothing": (lambda: "", "not valid"),
    "not a JWT": (lambda: "a.b.c", "not valid"),
    "not even text": (lambda: "\x00\xff", "not valid"),
    "a header that is no object": (lambda: "W10.e30.AAAA", "not valid"),
    "a very long one": (lambda: "a" * 5000, "too long"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_is_refused_that_is(attack: str) -> None:
    made, why = ATTACKS[attack]
    token = made()
    with pytest.raises(Unauthenticated, match=why):
        TOKENS.read(token, ACCESS)


def test_the_token_that_the_attacks_change_is_good() -> None:
    assert TOKENS.read(signed(body()), ACCESS).sub == "user-1"


def test_an_access_token_is_no_refresh_token() -> None:
    with pytest.raises(Unauthenticated, match="this needs a refresh token"):
        TOKENS.read(TOKENS.issue(CLAIMS, now()), REFRESH)
