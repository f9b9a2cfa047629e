# SPDX-License-Identifier: Apache-2.0
"""The local stack's certificate is kept while it holds, and made anew in time."""

import ssl
import time
from pathlib import Path

from deploy.local.servers.certificates import kept_certificates

_YEARS = 3 * 365 * 86400


def test_it_stays_the_same_until_it_is_about_to_expire(tmp_path: Path) -> None:
    now = time.time()
    first = kept_certificates(tmp_path / "tls", now)
    assert kept_certificates(tmp_path / "tls", now) == first
    assert first.key.stat().st_mode & 0o077 == 0
    assert kept_certificates(tmp_path / "tls", now + _YEARS).thumbprint != first.thumbprint


def test_its_authority_vouches_for_it(tmp_path: Path) -> None:
    made = kept_certificates(tmp_path / "tls", time.time())
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(made.authority))
    server.load_cert_chain(made.certificate, made.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (here, there, here, there):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert here.getpeercert()["subject"] == ((("commonName", "127.0.0.1"),),)  # type: ignore[index]
