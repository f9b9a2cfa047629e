# SPDX-License-Identifier: Apache-2.0
"""Public keys as people paste them: named by their fingerprints, or refused with a reason."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.contracts.openpgp import fingerprints, key_id
from services.common.contracts.package_keys import key_problem
from tests.support.package_sources import FINGERPRINT, PUBLIC, RSA

BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n", "-----END PGP PUBLIC KEY BLOCK-----\n"
DATA = b64decode("".join(line for line in PUBLIC.split("\n")[2:-2] if not line.startswith("=")))


def armoured(data: bytes) -> str:
    text = b64encode(data).decode()
    return BEGIN + "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64)) + END


def test_a_key_is_named_as_gpg_names_it() -> None:
    assert fingerprints(PUBLIC) == (FINGERPRINT,)
    assert fingerprints(PUBLIC.replace("\n\n", "\nVersion: 1\n\n", 1)) == (FINGERPRINT,)
    assert key_id(FINGERPRINT) == "49095A350B3FE2F5"


def test_two_keys_in_one_block_are_both_named() -> None:
    assert fingerprints(armoured(DATA + DATA)) == (FINGERPRINT, FINGERPRINT)


def test_both_ways_to_write_a_packet_s_length_are_read() -> None:
    length = DATA[1]
    assert DATA[0] == 0x98, "the old way, with one octet"
    rest = DATA[2:]
    for head in (
        bytes([0xC6, length]),
        bytes([0xC6, 255]) + length.to_bytes(4),
        bytes([0x99]) + length.to_bytes(2),
        bytes([0x9A]) + length.to_bytes(4),
    ):
        assert fingerprints(armoured(head + rest)) == (FINGERPRINT,)


@pytest.mark.parametrize(
    "text, why",
    [
        (PUBLIC.replace("JZ0GD8sN\n", ""), "is cut off"),
        (armoured(DATA[:20]), "is cut off"),
        (armoured(b"hello"), "is not made of OpenPGP's packets"),
        (armoured(bytes([0x94]) + DATA[1:]), "does not begin with a public key"),
        (armoured(DATA[:2] + b"\x03" + DATA[3:]), "is of another version than 4, the one that package managers read"),
        (armoured(bytes([0x9B]) + DATA[1:]), "has a packet without a length, which no key has"),
        (armoured(bytes([0xC6, 0xE1]) + DATA[1:]), "has a packet in pieces, which no key has"),
        (BEGIN + "mDMEZ\n=aaaa\n" + END, "is not whole: its data is no base64"),
        (BEGIN + "=aaaa\n" + END, "does not begin with a public key"),
    ],
)
def test_what_is_no_key_is_told_why(text: str, why: str) -> None:
    assert key_problem(text) == f"this armoured OpenPGP public key {why}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mDME",
        PUBLIC + "x",
        PUBLIC.replace("PUBLIC KEY", "PRIVATE KEY"),
        RSA.replace("PUBLIC", "PRIVATE"),
        BEGIN + "A" * 65536 + "\n" + END,
    ],
)
def test_what_is_another_thing_is_refused_without_being_shown(text: str) -> None:
    assert key_problem(text) == "not an armoured OpenPGP public key, nor an RSA public key in PEM"


def test_an_rsa_key_in_pem_is_one_for_apk() -> None:
    assert key_problem(RSA) == ""
    assert key_problem(RSA.replace("MIIB", "AAAA")) == "this PEM block holds no public key"


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    problem = key_problem(armoured(data)) if data else "none"
    assert problem == "" or problem.startswith(("this ", "none"))
