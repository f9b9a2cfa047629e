# SPDX-License-Identifier: Apache-2.0
"""Certificates that guests shall trust: read whole, and spelt again so that nothing else can hide in the text."""

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from marshmallow import ValidationError, fields

MOST = 16384
_FIX = "-> the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, one certificate an entry"


def one_certificate(text: str) -> str:
    """The one certificate of this text in PEM form; marshmallow's ValidationError where there is not exactly one."""
    if len(text) > MOST:
        raise ValidationError(f"longer than {MOST} characters {_FIX}")
    if "PRIVATE KEY" in text:
        raise ValidationError(f"there is a private key in it; it is not kept, but has been sent {_FIX}")
    try:
        found = load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValidationError(f"not a certificate in PEM form {_FIX}") from error
    if len(found) != 1:
        raise ValidationError(f"{len(found)} certificates at once {_FIX}")
    return found[0].public_bytes(Encoding.PEM).decode("ascii")


class Certificate(fields.String):
    """One certificate in PEM form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return one_certificate(super()._deserialize(value, attr, data, **kwargs))
