# SPDX-License-Identifier: Apache-2.0
"""Which server we talk to: one with a certificate of a known authority, or with exactly the certificate we know."""

import socket
import ssl
from hashlib import sha256

from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.vsphere.settings import VsphereSettings


def trusted(settings: VsphereSettings, timeout_s: float) -> ssl.SSLContext:
    """The context of every connection; HostFailed when the server is another one, TryAgain when it is away."""
    context = _context(settings, timeout_s)
    host, port = settings.address
    try:
        with (
            socket.create_connection((host, port), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return context
    except ssl.SSLCertVerificationError as error:
        raise HostFailed(
            f"{settings.url} is not trusted: {error.verify_message}; its certificate has the sha256 thumbprint"
            f" {readable(_thumbprint(settings, timeout_s))}"
        ) from error
    except OSError as error:
        raise TryAgain(f"{settings.url} does not answer: {error}") from error


def readable(thumbprint: str) -> str:
    """As vendors' tools show it: AA:BB:..."""
    return ":".join(thumbprint[at : at + 2] for at in range(0, len(thumbprint), 2)).upper()


def _context(settings: VsphereSettings, timeout_s: float) -> ssl.SSLContext:
    if not settings.thumbprint:
        try:
            return ssl.create_default_context(cafile=settings.ca_file or None)
        except OSError as error:
            raise HostFailed(f"vsphere.ca_file {settings.ca_file} can't be used: {error}") from error
    found = _certificate(settings, timeout_s)
    if sha256(found).hexdigest() != settings.thumbprint:
        raise HostFailed(
            f"{settings.url} is another server than the one configured: its certificate has the sha256 thumbprint"
            f" {readable(sha256(found).hexdigest())}, vsphere.thumbprint is {readable(settings.thumbprint)}"
        )
    # From here on OpenSSL itself accepts this one certificate and no other, on every connection.
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(found))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _thumbprint(settings: VsphereSettings, timeout_s: float) -> str:
    return sha256(_certificate(settings, timeout_s)).hexdigest()


def _certificate(settings: VsphereSettings, timeout_s: float) -> bytes:
    """What the server shows, believed by nobody yet; nothing is sent to it."""
    look = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    look.check_hostname, look.verify_mode = False, ssl.CERT_NONE
    host, port = settings.address
    try:
        with (
            socket.create_connection((host, port), timeout_s) as plain,
            look.wrap_socket(plain, server_hostname=host) as shown,
        ):
            return shown.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise TryAgain(f"{settings.url} does not answer: {error}") from error
