# SPDX-License-Identifier: Apache-2.0
"""What guests can have here depends on the machine: read from libvirt's own account of it."""

from xml.etree import ElementTree

import libvirt

from services.hostagent.drivers.base import Capability

_TYPES = {"kvm": "kvm", "tcg": "qemu"}


def offered(conn: libvirt.virConnect, accelerator: str) -> frozenset[str]:
    """The capabilities that only some machines have, for guests that run by this accelerator."""
    return read_offered(conn.getDomainCapabilities(None, "x86_64", "q35", _TYPES[accelerator], 0))


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
