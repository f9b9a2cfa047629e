# SPDX-License-Identifier: Apache-2.0
"""Datastores on libvirt's own test driver, which has pools of every type in memory: what no machine of ours has."""

from collections.abc import Iterator

import libvirt
import pytest
from lxml import etree

from services.common.contracts.commands import VolumePlan
from services.common.contracts.datastores import Datastore
from services.common.contracts.errors import HostFailed
from services.common.contracts.ids import new_id
from services.hostagent.drivers.datastore_settings import Store
from services.hostagent.drivers.libvirt.disk_xml import disk_xml, disks_of
from services.hostagent.drivers.libvirt.pool_xml import Lying, kind_of
from services.hostagent.drivers.libvirt.pools import Pools

PLATFORM = "p"
LVM = "<pool type='logical'><name>vg0</name><source><name>vg0</name></source>" + (
    "<target><path>/dev/vg0</path></target></pool>"
)
DISK = "<pool type='disk'><name>sdz</name><source><device path='/dev/sdz'/></source>" + (
    "<target><path>/dev</path></target></pool>"
)
NFS = (
    "<pool type='netfs'><name>nas</name><source><host name='nas'/><dir path='/x'/><format type='{}'/></source>"
    "<target><path>/mnt/nas</path></target></pool>"
)
STORES = (Store("fast", "vg0"), Store("shared", "nas", size_gib=7))


@pytest.fixture
def conn() -> Iterator[libvirt.virConnect]:
    """With an LVM pool that runs, and one on NFS that doesn't."""
    conn = libvirt.open("test:///default")
    conn.storagePoolDefineXML(LVM).create()
    conn.storagePoolDefineXML(NFS.format("nfs"))
    yield conn
    conn.close()


def test_each_is_told_with_kind_and_size_and_one_that_is_off_is_started(conn: libvirt.virConnect) -> None:
    assert Pools(STORES, PLATFORM).facts(conn) == (
        Datastore("fast", "lvm", 100, grows=False),
        Datastore("shared", "nfs", 7),
    )
    assert conn.storagePoolLookupByName("nas").isActive()
    assert kind_of(NFS.format("cifs")) == "cifs"


def test_a_pool_that_is_not_there_or_that_volumes_can_t_lie_in_is_refused(conn: libvirt.virConnect) -> None:
    with pytest.raises(HostFailed, match=r"datastores\.a: there is no storage pool 'x'; there are .*'nas', 'vg0'"):
        Pools((Store("a", "x"),), PLATFORM).facts(conn)
    conn.storagePoolDefineXML(DISK)
    with pytest.raises(HostFailed, match="can't lie in pool 'sdz', only in dir, fs, netfs, logical"):
        Pools((Store("a", "sdz"),), PLATFORM).facts(conn)


def test_a_pool_that_is_taken_away_later_is_told_no_more_and_hides_no_other(conn: libvirt.virConnect) -> None:
    pools = Pools(STORES, PLATFORM)
    assert len(pools.facts_now(conn)) == 2
    pool = conn.storagePoolLookupByName("vg0")
    pool.destroy()
    pool.undefine()
    assert [told.name for told in pools.facts_now(conn)] == ["shared"]
    with pytest.raises(HostFailed, match="there is no storage pool 'vg0'"):
        pools.made(conn, VolumePlan(new_id(), 1, datastore="fast"))


def test_volumes_are_raw_on_lvm_and_files_on_nfs_and_made_once(conn: libvirt.virConnect) -> None:
    pools, one, other = Pools(STORES, PLATFORM), VolumePlan(new_id(), 2, datastore="fast"), VolumePlan(new_id(), 2)
    shared = VolumePlan(other.id, 2, datastore="shared")
    for _ in range(2):
        assert pools.made(conn, one) == Lying(f"/dev/vg0/innkeeper-p-{one.id}", "raw", block=True)
        assert pools.made(conn, shared) == Lying(f"/mnt/nas/innkeeper-p-{other.id}.qcow2")
    _, capacity, allocation = conn.storagePoolLookupByName("vg0").storageVolLookupByName(f"innkeeper-p-{one.id}").info()
    assert (capacity, allocation) == (2 << 30, 2 << 30)  # all of it: LVM has no sparse ones that hold what they promise
    assert pools.where(conn, one.id, "fast").path == f"/dev/vg0/innkeeper-p-{one.id}"
    with pytest.raises(HostFailed, match="is not on datastore 'shared'"):
        pools.where(conn, one.id, "shared")
    foreign = "<volume><name>innkeeper-other-1</name><capacity>1</capacity></volume>"
    conn.storagePoolLookupByName("vg0").createXML(foreign)
    assert sorted(pools.ours(conn)) == [
        (f"fast/innkeeper-p-{one.id}", one.id),
        (f"shared/innkeeper-p-{other.id}.qcow2", other.id),
    ]
    for _ in range(2):
        pools.drop(conn, other.id, "shared")
    assert [volume for _, volume in pools.ours(conn)] == [one.id]


def test_what_lay_on_lvm_is_not_given_back_before_it_was_zeroed(conn: libvirt.virConnect) -> None:
    pools, volume = Pools(STORES, PLATFORM), VolumePlan(new_id(), 1, datastore="fast")
    pools.made(conn, volume)
    with pytest.raises(libvirt.libvirtError, match="virStorageVolWipe"):  # which the test driver can't
        pools.drop(conn, volume.id, "fast")
    assert [found for _, found in pools.ours(conn)] == [volume.id]


def test_a_volume_on_lvm_is_a_block_device_in_the_definition_and_found_there() -> None:
    volume = new_id()
    xml = disk_xml(Lying(f"/dev/vg0/innkeeper-p-{volume}", "raw", block=True), volume, "scsi", "sdb")
    disk = etree.fromstring(xml)
    driver = disk.find("driver")
    assert driver is not None
    assert (disk.get("type"), driver.get("type")) == ("block", "raw")
    (found,) = disks_of(f"<domain><devices>{xml}</devices></domain>")
    assert found.source == f"/dev/vg0/innkeeper-p-{volume}"
