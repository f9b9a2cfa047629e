# SPDX-License-Identifier: Apache-2.0
"""What a fake guest knows of its network: the `network-config` in its NoCloud seed, and its NICs' networks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pycdlib
import yaml
from pycdlib.pycdlibexception import PyCdlibException

from services.common.contracts.commands import NicPlan
from services.common.contracts.errors import HostFailed

_NAMES = ({"rr_path": "/network-config"}, {"joliet_path": "/network-config"}, {"iso_path": "/NETWORK_.;1"})


@dataclass(frozen=True)
class FakeLink:
    """One link as the guest will report it."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, str, int], ...] = ()  # to, via, metric
    dns: tuple[str, ...] = ()
    mtu: int = 1500


def read_network_config(iso: Path) -> dict[str, Any] | None:
    """The netplan document in the seed, None when it has none. HostFailed when it can't be read."""
    image = pycdlib.PyCdlib()
    try:
        image.open(str(iso))
        text = _first(image)
        image.close()
    except (PyCdlibException, OSError) as error:
        raise HostFailed(f"the seed {iso.name} is not an ISO image: {error}") from error
    if text is None:
        return None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HostFailed(f"the network-config in the seed {iso.name} is not YAML: {error}") from error
    network = document.get("network", document) if isinstance(document, dict) else None
    return network if isinstance(network, dict) else None


def links(nics: Sequence[NicPlan], network: dict[str, Any] | None) -> tuple[FakeLink, ...]:
    """The links the guest comes up with: as its seed says, or DHCP on each NIC when there is no seed."""
    ethernets = (network or {}).get("ethernets", {})
    by_mac = {_mac(key, item): (key, item) for key, item in ethernets.items() if isinstance(item, dict)}
    cards: dict[str, NicPlan] = {}
    found = []
    for index, nic in enumerate(nics):
        default = (f"eth{index}", {} if network else {"dhcp4": True})
        key, item = by_mac.get(nic.mac.lower(), default)
        cards[key] = nic
        found.append(_link(nic, str(item.get("set-name", key)), item))
    return (*found, *_stacked(network or {}, cards))


def _stacked(network: dict[str, Any], cards: dict[str, NicPlan]) -> Iterator[FakeLink]:
    """Bonds and VLANs, with the MAC of a card below; behind a VLAN's tag nobody serves DHCP."""
    below = dict(cards)
    for name, item in network.get("bonds", {}).items():
        below[name] = below[str(item["interfaces"][0])]
        yield _link(below[name], str(name), item)
    for name, item in network.get("vlans", {}).items():
        card = below[str(item["link"])]
        yield _link(replace(card, network=replace(card.network, dhcp_start="", dns=())), str(name), item)


def dhcp_address(nic: NicPlan) -> str:
    """The lease a NIC always gets: chosen by its MAC out of the network's range; "" where nobody serves DHCP."""
    network = nic.network
    if not (network.dhcp_start and network.dhcp_end):
        return ""
    first, last = int(ip_address(network.dhcp_start)), int(ip_address(network.dhcp_end))
    offset = int(sha256(nic.mac.lower().encode()).hexdigest(), 16) % (last - first + 1)
    return f"{ip_address(first + offset)}/{ip_network(network.cidr).prefixlen}"


def _first(image: Any) -> bytes | None:
    for name in _NAMES:
        out = BytesIO()
        try:
            image.get_file_from_iso_fp(out, **name)
        except PyCdlibException:
            continue
        return out.getvalue()
    return None


def _mac(key: str, item: dict[str, Any]) -> str:
    return str((item.get("match") or {}).get("macaddress", key)).lower()


def _link(nic: NicPlan, name: str, item: dict[str, Any]) -> FakeLink:
    addresses = [str(a) for a in item.get("addresses") or ()]
    routes = [(_target(r), str(r.get("via", "")), int(r.get("metric") or 0)) for r in item.get("routes") or ()]
    for version, field in ((4, "gateway4"), (6, "gateway6")):
        if item.get(field):
            routes.append(("0.0.0.0/0" if version == 4 else "::/0", str(item[field]), 0))
    dns = [str(server) for server in (item.get("nameservers") or {}).get("addresses") or ()]
    lease = dhcp_address(nic) if item.get("dhcp4") else ""
    if lease:
        addresses.append(lease)
        overrides = item.get("dhcp4-overrides") or {}
        if nic.network.gateway and overrides.get("use-routes", True):
            routes.append(("0.0.0.0/0", nic.network.gateway.partition("/")[0], 100))
        if overrides.get("use-dns", True):
            dns.extend(nic.network.dns)
    mtu = int(item.get("mtu") or nic.mtu or nic.network.mtu or 1500)
    return FakeLink(name, nic.mac.lower(), tuple(addresses), tuple(routes), tuple(dns), mtu)


def _target(route: dict[str, Any]) -> str:
    target = str(route.get("to", ""))
    if target != "default":
        return target
    return "::/0" if ":" in str(route.get("via", "")) else "0.0.0.0/0"
