# SPDX-License-Identifier: Apache-2.0
"""Keys that sign packages, as text in a spec: OpenPGP's for apt, dnf and zypper, RSA's in PEM for apk. Pure."""

import re
from base64 import b64decode
from binascii import Error

from services.common.contracts.openpgp import fingerprints

KEY_MOST = 65536
_OPENPGP = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[A-Za-z]+: [ -~]{0,200}\n)*\n"
    r"(?:[A-Za-z0-9+/=]{1,76}\n)+-----END PGP PUBLIC KEY BLOCK-----\n?"
)
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END PUBLIC KEY-----\n?")
_SEQUENCE = b"\x30"  # what every key in DER begins with
OPENPGP_FIX = "as gpg --armor --export writes it"
PEM_FIX = "the .rsa.pub file as it is: -----BEGIN PUBLIC KEY-----"


def is_openpgp(text: str) -> bool:
    """Whether it is meant to be an OpenPGP key."""
    return text.startswith("-----BEGIN PGP ")


def key_problem(text: str) -> str:
    """Why this is neither kind of public key, "" where it is one. The text is not told: it may be a private key."""
    if len(text) <= KEY_MOST and _OPENPGP.fullmatch(text):
        try:
            fingerprints(text)
        except ValueError as error:
            return f"this armoured OpenPGP public key {error}"
        return ""
    if len(text) <= KEY_MOST and (found := _PEM.fullmatch(text)):
        return "" if _decoded(found[1])[:1] == _SEQUENCE else "this PEM block holds no public key"
    return "not an armoured OpenPGP public key, nor an RSA public key in PEM"


def _decoded(lines: str) -> bytes:
    try:
        return b64decode(lines.replace("\n", ""), validate=True)
    except Error:
        return b""
