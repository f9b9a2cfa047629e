# SPDX-License-Identifier: Apache-2.0
"""netplan, version 2, for systemd-networkd (netplan.readthedocs.io, "YAML configuration").

cloud-init's version 2 is a part of netplan's own words, so both are written by the same functions: links matched by
MAC and named by set-name, default routes as 0.0.0.0/0 and ::/0 (the installed system's cloud-init reads them, too).

It can't say: IPv6 by router advertisement without its default route (there are no ra-overrides before netplan 1.1).
"""

from textwrap import indent

from services.common.contracts.network import NetworkModel
from services.imagebuilder.dialects import cloud_init_v2
from services.imagebuilder.documents import yaml_document


def render(model: NetworkModel, hostname: str) -> bytes:
    """A file of /etc/netplan. The host's name is none of its business."""
    version, *links = cloud_init_v2.document(model).items()
    return yaml_document({"network": dict([version, ("renderer", "networkd"), *links])})


def autoinstall(model: NetworkModel, hostname: str) -> bytes:
    """The section `network` of subiquity's answer file: indented as a part of `autoinstall`."""
    return indent(render(model, hostname).decode("ascii"), "  ").encode("ascii")
