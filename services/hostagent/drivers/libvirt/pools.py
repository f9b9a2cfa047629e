# SPDX-License-Identifier: Apache-2.0
"""Datastores on libvirt: storage pools that the administrator made, and our volumes in them.

What is ours carries the platform and the volume's id in its name; nothing else in a pool is listed or touched.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libvirt

from services.common.contracts.commands import VolumePlan
from services.common.contracts.datastores import Datastore, DatastoreKind
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.runtime.log import get_logger
from services.hostagent.drivers.datastore_settings import Store, listed, store_called
from services.hostagent.drivers.libvirt.pool_xml import KINDS, Lying, kind_of, lying, volume_name, volume_of, volume_xml
from services.hostagent.drivers.libvirt.vendor_errors import code

log = get_logger(__name__)
_GIB = 1 << 30
_THERE_ALREADY = (
    libvirt.VIR_ERR_STORAGE_VOL_EXIST,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_FAILED,
)


@dataclass(frozen=True)
class _Opened:
    pool: libvirt.virStoragePool
    kind: str


class Pools:
    """The datastores of one host. Everything that libvirt says comes out as its own error."""

    def __init__(self, stores: Sequence[Store], platform: str) -> None:
        self._stores, self._platform = stores, platform
        self._lock = threading.Lock()  # libvirt refuses to read a pool anew while something is made in it

    def facts(self, conn: libvirt.virConnect) -> tuple[Datastore, ...]:
        """All of them; HostFailed for one that isn't there, or is of a kind that volumes can't lie in."""
        return tuple(self._facts(conn, store) for store in self._stores)

    def facts_now(self, conn: libvirt.virConnect) -> tuple[Datastore, ...]:
        """Those that are there now: what an administrator took away since the start must not hide the whole host."""
        found = []
        for store in self._stores:
            try:
                found.append(self._facts(conn, store))
            except (HostFailed, libvirt.libvirtError) as error:
                log.warning("a datastore can't be used", datastore=store.name, reason=str(error))
        return tuple(found)

    def made(self, conn: libvirt.virConnect, volume: VolumePlan) -> Lying:
        """Where the volume lies; made, empty, where it wasn't there yet."""
        opened, name = self._open(conn, volume.datastore), volume_name(self._platform, volume.id)
        with self._lock:
            found = _known(opened, name)
            if found is None:
                try:
                    xml = volume_xml(name, opened.kind, volume.size_gib * _GIB)
                    found = opened.pool.createXML(xml, 0)
                except libvirt.libvirtError as error:
                    if code(error) not in _THERE_ALREADY:
                        raise
                    found = _found_anew(opened, name)  # made before, and libvirt has forgotten it
                    if found is None:
                        raise
        return lying(found.path(), opened.kind)

    def where(self, conn: libvirt.virConnect, volume: str, datastore: str) -> Lying:
        """Where a volume lies that is there; HostFailed where it isn't."""
        opened = self._open(conn, datastore)
        found = self._find(opened, volume)
        if found is None:
            raise HostFailed(f"volume {volume} is not on datastore {datastore!r}")
        return lying(found.path(), opened.kind)

    def grow(self, conn: libvirt.virConnect, volume: VolumePlan) -> None:
        """Make one larger that nothing has open."""
        opened = self._open(conn, volume.datastore)
        found = self._find(opened, volume.id)
        if found is None:
            raise HostFailed(f"volume {volume.id} is not on datastore {volume.datastore!r}")
        if found.info()[1] < volume.size_gib * _GIB:
            found.resize(volume.size_gib * _GIB, 0)

    def drop(self, conn: libvirt.virConnect, volume: str, datastore: str) -> None:
        """Remove it; fine where it never was."""
        opened = self._open(conn, datastore)
        found = self._find(opened, volume)
        if found is None:
            return
        if opened.kind == DatastoreKind.LVM:
            found.wipe(0)  # whoever gets these blocks next would read what was on them
        found.delete(0)

    def ours(self, conn: libvirt.virConnect) -> Iterator[tuple[str, str]]:
        """Every volume that carries our mark, read anew: how it is called, and its id."""
        for store in self._stores:
            opened = self._open(conn, store.name)
            with self._lock:
                _read_anew(opened)
                names = [volume.name() for volume in opened.pool.listAllVolumes(0)]
            for name in sorted(names):
                volume = volume_of(self._platform, name)
                if volume:
                    yield f"{store.name}/{name}", volume

    def names(self, volume: str) -> tuple[str, str]:
        """What it may be called in a pool."""
        name = volume_name(self._platform, volume)
        return name, f"{name}.qcow2"

    def _facts(self, conn: libvirt.virConnect, store: Store) -> Datastore:
        opened = self._open(conn, store.name)
        size = store.size_gib or opened.pool.info()[1] // _GIB
        return Datastore(store.name, opened.kind, size, grows=opened.kind != DatastoreKind.LVM)

    def _find(self, opened: _Opened, volume: str) -> libvirt.virStorageVol | None:
        name = volume_name(self._platform, volume)
        with self._lock:
            return _known(opened, name) or _found_anew(opened, name)

    def _open(self, conn: libvirt.virConnect, name: str) -> _Opened:
        store = store_called(self._stores, name)
        try:
            pool = conn.storagePoolLookupByName(store.place)
        except libvirt.libvirtError as error:
            if code(error) != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            names = listed(pool.name() for pool in conn.listAllStoragePools(0))
            raise HostFailed(
                f"datastores.{name}: there is no storage pool {store.place!r}; there are {names}"
            ) from error
        xml = pool.XMLDesc(0)
        kind = kind_of(xml)
        if not kind:
            raise HostFailed(
                f"datastores.{name}: volumes can't lie in pool {store.place!r}, only in {', '.join(KINDS)}"
            )
        with self._lock:
            if not pool.isActive():
                log.info("starting a storage pool", pool=store.place)
                pool.create(0)
        return _Opened(pool, kind)


def _known(opened: _Opened, name: str) -> libvirt.virStorageVol | None:
    for called in (name, f"{name}.qcow2") if opened.kind != DatastoreKind.LVM else (name,):
        try:
            return opened.pool.storageVolLookupByName(called)
        except libvirt.libvirtError as error:
            if code(error) != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
    return None


def _found_anew(opened: _Opened, name: str) -> libvirt.virStorageVol | None:
    _read_anew(opened)
    return _known(opened, name)


def _read_anew(opened: _Opened) -> None:
    try:
        opened.pool.refresh(0)
    except libvirt.libvirtError as error:
        if code(error) == libvirt.VIR_ERR_INTERNAL_ERROR:  # somebody makes something in it just now
            raise TryAgain(f"storage pool {opened.pool.name()}: {error.get_error_message()}") from error
        raise
