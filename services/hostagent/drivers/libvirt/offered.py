# SPDX-License-Identifier: Apache-2.0
"""What guests can have here depends on the machine: read from libvirt's own account of it."""

import os
import shutil
import socket
from pathlib import Path
from xml.etree import ElementTree

import libvirt

from services.hostagent.drivers.base import Capability
from services.hostagent.drivers.libvirt.interface_xml import CLEAN_TRAFFIC
from services.hostagent.drivers.libvirt.vendor_errors import code

_OPEN_VSWITCH = "ovs-vsctl"  # what libvirt itself calls to plug a card in
_SWITCH_RUNS_IN = "/run/openvswitch"
_TYPES = {"kvm": "kvm", "tcg": "qemu"}


def offered(conn: libvirt.virConnect, accelerator: str) -> frozenset[str]:
    """The capabilities that only some machines have, for guests that run by this accelerator."""
    found = read_offered(conn.getDomainCapabilities(None, "x86_64", "q35", _TYPES[accelerator], 0))
    if _filters(conn):
        found |= {Capability.ANTI_SPOOF}
    if shutil.which(_OPEN_VSWITCH) and switch_answers(Path(os.environ.get("OVS_RUNDIR", _SWITCH_RUNS_IN))):
        found |= {Capability.NETWORK_VLAN}
    return found


def switch_answers(directory: Path) -> bool:
    """Whether an Open vSwitch runs here: installed alone it takes no card."""
    with socket.socket(socket.AF_UNIX) as database:
        try:
            database.connect(str(directory / "db.sock"))
        except PermissionError:
            return True  # it is root's, as libvirtd is
        except OSError:
            return False
    return True


def _filters(conn: libvirt.virConnect) -> bool:
    """Whether libvirtd has the filters that hold a guest to its own addresses."""
    try:
        conn.nwfilterLookupByName(CLEAN_TRAFFIC)
    except libvirt.libvirtError as error:
        if code(error) in (libvirt.VIR_ERR_NO_NWFILTER, libvirt.VIR_ERR_NO_SUPPORT):
            return False
        raise
    return True


def read_offered(domain_capabilities: str) -> frozenset[str]:
    """The same out of libvirt's <domainCapabilities>."""
    root = ElementTree.fromstring(domain_capabilities)
    # libvirt names the emulator only where it has found the program swtpm.
    places = {
        Capability.TPM: ("./devices/tpm[@supported='yes']/enum[@name='backendModel']/value", "emulator"),
        Capability.SECURE_BOOT: ("./os[@supported='yes']/loader[@supported='yes']/enum[@name='secure']/value", "yes"),
    }
    return frozenset(
        capability for capability, (path, word) in places.items() if word in [e.text for e in root.findall(path)]
    )
