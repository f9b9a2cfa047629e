# SPDX-License-Identifier: Apache-2.0
"""A proxy that leads whoever asks for an https address to a server of ours: for clients whose address is built in.

It answers CONNECT, speaks TLS with a certificate made on the spot, and passes on what is said inside.
"""

import datetime
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_CHUNK = 65536


@contextmanager
def detour(name: str, target: tuple[str, int], folder: Path) -> Iterator[str]:
    """The proxy's URL while the block runs; `name` is who is asked for, `target` who answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(name, folder))
    handler = type("Handler", (_Handler,), {"context": context, "target": target})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(socketserver.StreamRequestHandler):
    context: ssl.SSLContext
    target: tuple[str, int]

    def handle(self) -> None:
        assert self.rfile.readline().startswith(b"CONNECT ")
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inside = self.context.wrap_socket(self.connection, server_side=True)
        with socket.create_connection(self.target) as outside, inside:
            back = threading.Thread(target=passed_on, args=(outside, inside), daemon=True)
            back.start()
            passed_on(inside, outside)
            back.join()


def passed_on(source: Any, sink: Any) -> None:
    """Pass on what one side says to the other until it has said all."""
    with suppress(OSError):  # either side may have left
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def _certificate(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path
