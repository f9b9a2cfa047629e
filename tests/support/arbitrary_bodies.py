# SPDX-License-Identifier: Apache-2.0
"""Wishes as the JSON of a request, and what somebody hostile would make of it at any place."""

import base64
from random import Random
from typing import Any

from services.common.catalog import OsEntry
from services.common.contracts.network import Addressing, Nic
from tests.support.arbitrary import SEED, a_tame_wish
from tests.support.hostile import a_text

NETWORK = "anywhere"  # a bridge that takes any address
_BLOB = base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(range(32))).decode()
_NOT_TEXT = (None, True, 0, -1, 2**64, 1.5, [], {}, [[]], {"x": {"y": [1]}}, ["a"] * 300)


def a_body(entry: OsEntry, number: int) -> dict[str, Any]:
    """The number-th request for a vm of this row; two of three are hostile somewhere."""
    random = Random(f"{SEED}/body/{entry.name}/{number}")
    body = _tame(random, entry)
    for _ in range(random.randrange(3)):
        _spoil(random, body)
    return body


def _tame(random: Random, entry: OsEntry) -> dict[str, Any]:
    wish = a_tame_wish(random, entry)
    spec = wish.spec
    body: dict[str, Any] = {"name": "web-1", "os": spec.os, "vcpus": 4, "memory_mib": 16384, "disk_gib": 200}
    bonded = {mac: bond.name for bond in spec.bonds for mac in bond.members}
    body["networks"] = [_card(nic, bonded.get(nic.mac, "")) for nic in spec.nics]
    body["bonds"] = [{"name": bond.name, "mode": bond.mode, **_link(bond)} for bond in spec.bonds]
    body["vlans"] = [{"id": vlan.id, "over": vlan.over, **_link(vlan)} for vlan in spec.vlans]
    body["users"] = [
        {
            "name": user.name,
            "sudo": user.sudo,
            "ssh_keys": [f"ssh-ed25519 {_BLOB} {n}" for n in range(random.randrange(3))],
        }
        for user in spec.users
    ]
    for user in body["users"]:
        if user["name"] in wish.secrets.password_hashes:
            user["password"] = random.choice(("correct horse", "p4$$w0rd'\"`;&<>", "ünïcödé!!"))
    for name in ("domain", "locale", "keyboard", "timezone", "layout", "firmware", "mirror", "proxy"):
        if value := getattr(spec, name):
            body[name] = value
    body |= {"packages": list(spec.packages), "ntp": list(spec.ntp), "guest_agent": spec.guest_agent}
    return body | {"first_boot": wish.secrets.first_boot} if wish.secrets.first_boot else body


def _card(nic: Nic, bond: str) -> dict[str, Any]:
    return {
        "network": NETWORK,
        "mac": nic.mac,
        **({"bond": bond} if bond else {"name": nic.name} if nic.name else {}),
        **_link(nic),
    }


def _link(link: Addressing) -> dict[str, Any]:
    method = "static" if link.addresses else "dhcp" if link.dhcp4 else "none"
    found: dict[str, Any] = {"method": method, "addresses": list(link.addresses), "dns": list(link.dns)}
    found |= {"search": list(link.search), "gateway": link.gateway4 or link.gateway6 or None}
    if link.gateway4 and link.gateway6:
        found["gateway6"] = link.gateway6
    if link.mtu:
        found["mtu"] = link.mtu
    return found | {"routes": [{"to": r.to, "via": r.via, "metric": r.metric} for r in link.routes]}


def _spoil(random: Random, body: Any) -> None:
    """Another value at one place, or a key nobody knows."""
    while True:
        keys = list(body) if isinstance(body, dict) else list(range(len(body)))
        if not keys or (isinstance(body, dict) and random.random() < 0.03):
            if isinstance(body, dict):
                body[a_text(random)[:100]] = a_text(random)
            return
        key = random.choice(keys)
        if isinstance(body[key], dict | list) and body[key] and random.random() < 0.9:
            body = body[key]
            continue
        body[key] = a_text(random) if random.random() < 0.75 else random.choice(_NOT_TEXT)
        return
