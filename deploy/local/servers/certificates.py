# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of one directory, and a server's certificate for 127.0.0.1 signed by it."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
_DAYS = 825  # the most that every client takes
_FRESH_S = 30 * 86400.0
_AUTHORITY, _CERTIFICATE, _KEY = "ca.pem", "server.pem", "server.key"


@dataclass(frozen=True)
class Certificates:
    """PEM files, and the sha256 thumbprint of the server's certificate."""

    authority: Path
    certificate: Path
    key: Path
    thumbprint: str


def kept_certificates(directory: Path, now: float) -> Certificates:
    """Those of that directory, made anew where there are none or they won't hold another month."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    authority, certificate, key = (directory / name for name in (_AUTHORITY, _CERTIFICATE, _KEY))
    if not (authority.exists() and certificate.exists() and key.exists()):
        return make_certificates(directory)
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    if found.not_valid_after_utc.timestamp() < now + _FRESH_S:
        return make_certificates(directory)
    thumbprint = sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest()
    return Certificates(authority, certificate, key, thumbprint)


def make_certificates(directory: Path) -> Certificates:
    """Fresh ones in that directory; the authority's key is kept nowhere, so that it signs nothing else."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name("Innkeeper local authority"), _name("127.0.0.1")
    ca = _begun(ca_name, ca_name, ca_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    # Python 3.13 insists on key usages and key identifiers where they belong.
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    own = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    authority = ca.add_extension(usage, critical=True).add_extension(own, critical=False).sign(ca_key, hashes.SHA256())
    there = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    begun = _begun(name, ca_name, key).add_extension(there, critical=False).add_extension(above, critical=False)
    certificate = begun.sign(ca_key, hashes.SHA256())
    return Certificates(
        _written(directory / _AUTHORITY, authority.public_bytes(serialization.Encoding.PEM)),
        _written(directory / _CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM)),
        _written(directory / _KEY, _pem(key)),
        sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
    )


def _begun(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    begun = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    begun = begun.serial_number(x509.random_serial_number())
    return begun.not_valid_before(now - _DAY).not_valid_after(now + _DAYS * _DAY)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _written(path: Path, data: bytes) -> Path:
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(data)
    return path
