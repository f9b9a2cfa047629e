# SPDX-License-Identifier: Apache-2.0
"""Who says on which host of the place a new vm begins: vCenter where there is DRS or but one host, else we.

(vSphere Web Services API, Folder.CreateVM_Task and ResourcePool.ImportVApp, parameter `host`.)
"""

from typing import Any

from pyVmomi import vim

from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.session import Seat


def balances(seat: Seat, compute: Any) -> bool:
    """Whether no host has to be named for a new vm."""
    if not isinstance(compute, vim.ClusterComputeResource):
        return True
    found = retrieve(seat, of([compute], vim.ClusterComputeResource, ("configurationEx",)))
    drs = [item.get("configurationEx").drsConfig for item in found if item.get("configurationEx") is not None]
    return any(config is not None and config.enabled for config in drs)
