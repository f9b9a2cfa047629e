# SPDX-License-Identifier: Apache-2.0
"""Plans, seeds and a private libvirtd for tests of the host agent."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
import yaml

from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan, NicPlan
from services.common.contracts.ids import new_id
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.common.contracts.vm import hypervisor_name, hypervisor_uuid, nic_mac
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory

PLATFORM = "test-platform"


@contextmanager
def private_libvirtd(qemu: str = "") -> Iterator[Libvirtd]:
    """A libvirtd of its own, in a network of its own, whose guests end with it. Missing: fails in CI, else skips.

    `qemu`: the user that guests run as, who is given their files; else the caller, who keeps them.
    """
    with short_directory() as directory:
        server = Libvirtd(directory / "l", netns=True, qemu=qemu)
        try:
            with servers_needed():
                server.start()
            yield server
        finally:
            server.purge()


def network(name: str = "default", **changes: Any) -> NetworkPlan:
    """A NAT network with DHCP."""
    fields: dict[str, Any] = {
        "id": f"net-{name}",
        "name": name,
        "kind": NetworkKind.NAT,
        "cidr": "10.77.0.0/24",
        "gateway": "10.77.0.1",
        "dhcp_start": "10.77.0.100",
        "dhcp_end": "10.77.0.199",
        "dns": ("10.77.0.1",),
    }
    return NetworkPlan(**{**fields, **changes})


def plan(vm: str, name: str = "web", **changes: Any) -> DeployPlan:
    """A tiny vm: one empty disk, one NIC."""
    fields: dict[str, Any] = {
        "uuid": hypervisor_uuid(vm),
        "name": hypervisor_name(vm, name),
        "vcpus": 1,
        "memory_mib": 64,
        "disks": (DiskPlan("root", size_gib=1),),
        "nics": (NicPlan(nic_mac(vm, 0), network()),),
    }
    return DeployPlan(**{**fields, **changes})


def a_vm() -> str:
    """A fresh id."""
    return new_id()


def seed_iso(netplan: dict[str, Any] | None = None) -> bytes:
    """A NoCloud seed with this network-config."""
    image, out = pycdlib.PyCdlib(), BytesIO()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    texts = {"meta-data": "instance-id: i-1\n", "user-data": "#cloud-config\n"}
    if netplan is not None:
        texts["network-config"] = yaml.safe_dump(netplan)
    for name, text in texts.items():
        data, short = text.encode(), name.upper().replace("-", "_")[:8]
        image.add_fp(BytesIO(data), len(data), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    image.write_fp(out)
    image.close()
    return out.getvalue()


def artifact(data: bytes, url: str = "", format_: str = "iso", shared: bool = False) -> Artifact:
    """The artifact of these bytes."""
    return Artifact(sha256(data).hexdigest(), len(data), format_, url, shared)


def as_file(directory: Path, data: bytes) -> Path:
    """The bytes as the agent would have fetched them."""
    path = directory / sha256(data).hexdigest()
    path.write_bytes(data)
    return path
