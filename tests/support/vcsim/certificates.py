# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one test, and a server's certificate for 127.0.0.1 signed by it."""

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


@dataclass(frozen=True)
class Certificates:
    """PEM files, and the sha256 thumbprint of the server's certificate."""

    authority: Path
    certificate: Path
    key: Path
    thumbprint: str


def make_certificates(directory: Path) -> Certificates:
    """Fresh ones in that directory."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name("a test's authority"), _name("127.0.0.1")
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
        _written(directory / "ca.pem", authority.public_bytes(serialization.Encoding.PEM)),
        _written(directory / "server.pem", certificate.public_bytes(serialization.Encoding.PEM)),
        _written(directory / "server.key", _pem(key)),
        sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
    )


def _begun(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    begun = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    begun = begun.serial_number(x509.random_serial_number())
    return begun.not_valid_before(now - _DAY).not_valid_after(now + _DAY)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
