# SPDX-License-Identifier: Apache-2.0
"""A machine's controller that speaks enough Redfish to be asked for watts and told to power on; it fails as told."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "reader", "canary-of-the-controller"
SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"


@dataclass
class Controller:
    """What it answers, and what it was asked. `documents` by path; `raw` instead of JSON; `status` of every answer.

    A reset that it takes switches the machine on; `post_status` is what it answers to one.
    """

    documents: dict[str, Any]
    latency_s: float = 0.0
    status: int = 200
    post_status: int = 204
    raw: bytes | None = None
    url: str = ""
    ca_file: Path = Path()
    asked: list[str] = field(default_factory=list)
    posted: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)


def documents(watts: Any, old: bool = False) -> dict[str, Any]:
    """One chassis that draws that much, told the new way or the old; and one that doesn't tell."""
    chassis = "/redfish/v1/Chassis/1"
    how = {"Power": {"@odata.id": f"{chassis}/Power"}}
    told: dict[str, Any] = {f"{chassis}/Power": {"PowerControl": [{"PowerConsumedWatts": watts}]}}
    if not old:
        how = {"EnvironmentMetrics": {"@odata.id": f"{chassis}/EnvironmentMetrics"}}
        told = {f"{chassis}/EnvironmentMetrics": {"PowerWatts": {"Reading": watts}}}
    members = [{"@odata.id": chassis}, {"@odata.id": "/redfish/v1/Chassis/shelf"}]
    return {
        "/redfish/v1/Chassis": {"Members": members},
        chassis: {"Id": "1", **how},
        "/redfish/v1/Chassis/shelf": {"Id": "shelf"},
        **told,
        "/redfish/v1/Systems": {"Members": [{"@odata.id": SYSTEM}]},
        SYSTEM: {"PowerState": "Off", "Actions": {"#ComputerSystem.Reset": {"target": RESET}}},
    }


@contextmanager
def controller(folder: Path, watts: Any = 214.0, old: bool = False) -> Iterator[Controller]:
    """A controller on loopback, with a certificate of its own."""
    state = Controller(documents(watts, old))
    state.ca_file, key = certificate(folder)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(state.documents.get(self.path), state.status)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            if self._known() and state.post_status < 300:
                state.posted.append((self.path, body))
                state.documents[SYSTEM]["PowerState"] = "On"
            self._answer({}, state.post_status)

        def _known(self) -> bool:
            expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return self.headers.get("Authorization") == expected

        def _answer(self, found: Any, status: int) -> None:
            state.asked.append(self.path)
            time.sleep(state.latency_s)
            status = 401 if not self._known() else status if found is not None else 404
            body = b"" if status == 204 else state.raw if state.raw is not None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's output stays readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.ca_file, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, name: str = "controller") -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return cert_path, key_path
