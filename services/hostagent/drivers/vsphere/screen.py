# SPDX-License-Identifier: Apache-2.0
"""A picture of a vm's screen: vSphere writes it beside the vm's files, from where it is fetched and removed."""

from typing import Any

from pyVmomi import vmodl

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.vsphere.datastore import Datastore
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Session
from services.hostagent.drivers.vsphere.tasks import finish

_LIMIT = 8 << 20
_LOOK_S = 20.0


def screenshot(session: Session, datastore: Datastore, place: Place, ref: Any) -> bytes:
    """The picture as a PNG; none where this server takes none."""
    doing = "taking a picture of the screen"
    task = session.call(doing, lambda _seat: _begun(ref))
    if task is None:
        return b""
    path = str(finish(session, doing, task, _LOOK_S))
    if not path.startswith(f"[{place.datastore_name}] "):
        raise HostFailed(f"{doing}: it was written to {path}, which is not on our datastore")
    try:
        return datastore.get(place, path, _LIMIT)
    finally:
        datastore.remove(place, path)


def _begun(ref: Any) -> Any:
    try:
        return ref.CreateScreenshot_Task()
    except (vmodl.fault.MethodNotFound, vmodl.fault.NotSupported, vmodl.fault.NotImplemented):
        return None
