# SPDX-License-Identifier: Apache-2.0
"""The guest agent as it runs in a guest without a port: over TLS, with its vm's token, to the real api."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from werkzeug.serving import make_server

from services.common.contracts.ids import new_id
from services.common.store.guests import token_row
from services.common.store.models import GuestMessage
from services.common.store.together import write_together
from services.guestagent import facts
from services.guestagent.ports import HttpsPort
from tests.support.front_door import Api


@dataclass(frozen=True)
class Door:
    """Where guests find the api, and the certificate they trust."""

    url: str
    ca: str


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inn")]), datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.fixture(scope="module")
def door(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    cert, key = certificate(tmp_path_factory.mktemp("tls"))
    server = make_server("127.0.0.1", 0, api.app, threaded=True, ssl_context=(str(cert), str(key)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Door(f"https://127.0.0.1:{server.server_port}/v1/guest/messages", str(cert))
    server.shutdown()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest's own; what this machine is told of proxies is none of it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def guest(api: Api) -> tuple[str, str]:
    """A vm and its guest's token."""
    made = api.done("member", "POST", "/v1/vms", {"name": f"h-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"})
    vm = str(made["vm"]["id"])
    with api.database.write() as db:
        write_together(db, [token_row(vm, f"token-of-{vm}", time.time())])
    return vm, f"token-of-{vm}"


def test_what_the_agent_says_arrives_as_it_was_said(api: Api, door: Door, guest: tuple[str, str]) -> None:
    vm, token = guest
    port = HttpsPort({"url": door.url, "token": token, "ca": door.ca})
    said = [facts.hello(), facts.report(), facts.load(), facts.heartbeat()]
    for message in said:
        port.send(json.dumps(message).encode() + b"\n")
    assert port.wait([], 0) == [b""] * len(said), "nothing was asked"
    with api.database.read() as db:
        kept = list(db.scalars(select(GuestMessage.message).where(GuestMessage.vm_id == vm).order_by(GuestMessage.id)))
    assert [message["type"] for message in kept] == ["hello", "report", "load", "heartbeat"]
    assert kept[1]["boot_id"] == facts.boot_id()


def test_a_wrong_token_is_an_error_the_agent_bears(door: Door) -> None:
    port = HttpsPort({"url": door.url, "token": "nobody's", "ca": door.ca})
    with pytest.raises(HTTPError) as refused:  # an OSError: the agent opens its port again, later
        port.send(b'{"type": "heartbeat", "uptime_s": 1}\n')
    assert refused.value.code == 401
    assert isinstance(refused.value, OSError)


def test_a_server_that_can_not_prove_who_it_is_gets_no_token(door: Door, guest: tuple[str, str]) -> None:
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpsPort({"url": door.url, "token": guest[1]}).send(b'{"type": "heartbeat", "uptime_s": 1}\n')
