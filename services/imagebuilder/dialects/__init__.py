# SPDX-License-Identifier: Apache-2.0
"""Network dialects: the one network model, written the way a guest's installer or first boot reads it.

A renderer is a pure function `(model, hostname) -> bytes`. What it can't express it refuses with Invalid, naming the
field; nothing is dropped silently.
"""

from collections.abc import Callable, Mapping

from services.common.contracts.network import NetworkModel
from services.imagebuilder.dialects import (
    autoyast,
    cloud_init_v2,
    debian_target,
    esxi,
    ifupdown,
    ignition_nm,
    kickstart,
    mini,
    netcfg,
    netplan,
    networkd,
    networkmanager,
    windows,
)

Renderer = Callable[[NetworkModel, str], bytes]

DIALECTS: Mapping[str, Renderer] = {
    "autoinstall_network": netplan.autoinstall,
    "autoyast": autoyast.render,
    "autoyast_sysctl": autoyast.sysctl,
    "cloud_init_v2": cloud_init_v2.render,
    "debian_target": debian_target.render,
    "esxi": esxi.render,
    "esxi_links": esxi.links,
    "ifupdown": ifupdown.render,
    "ignition_nm": ignition_nm.render,
    "kickstart": kickstart.render,
    "mini": mini.render,
    "networkd": networkd.render,
    "netcfg": netcfg.render,
    "netplan": netplan.render,
    "networkmanager": networkmanager.render,
    "windows": windows.render,
    "windows_first_logon": windows.links,
}
