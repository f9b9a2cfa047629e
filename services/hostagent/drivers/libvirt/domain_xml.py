# SPDX-License-Identifier: Apache-2.0
"""A vm's definition in libvirt's words, built as a tree (never as text). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from services.common.contracts.commands import DeployPlan
from services.common.contracts.devices import SATA, VIRTIO
from services.common.contracts.guest import PORT_NAME
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.libvirt.interface_xml import interface
from services.hostagent.drivers.libvirt.mark import vm_mark
from services.hostagent.drivers.libvirt.qcow2 import Base

SPARE_PORTS = 4
_OTHERS_ON_PORTS = 5  # USB, SCSI, the guest's channel, memory's balloon, randomness
_GUEST_DRIVER = {"kvm": "kvm", "tcg": "qemu"}
_MOST_SPARE = 12


@dataclass(frozen=True)
class DiskFile:
    """A disk as it lies on the host. `base` is the file under a copy-on-write overlay."""

    path: Path
    format: str  # qcow2 | raw
    cdrom: bool = False
    bootable: bool = True
    base: Base | None = None


@dataclass(frozen=True)
class Files:
    """Every path a definition names."""

    disks: Sequence[DiskFile]
    port: Path
    console: Path
    kernel: Path | None = None
    initrd: Path | None = None


def domain_xml(plan: DeployPlan, owner: Owner, files: Files, accelerator: str) -> str:
    """The whole definition; `accelerator` is kvm or tcg."""
    domain = etree.Element("domain", type=_GUEST_DRIVER[accelerator])
    _text(domain, "name", plan.name)
    _text(domain, "uuid", plan.uuid)
    etree.SubElement(domain, "metadata").append(vm_mark(owner))
    _text(domain, "memory", str(plan.memory_mib), unit="MiB")
    vcpu = etree.SubElement(domain, "vcpu")
    _add_os(domain, plan, files)
    features = etree.SubElement(domain, "features")
    etree.SubElement(features, "acpi")
    etree.SubElement(features, "apic")
    if plan.devices.secure_boot:
        # Only the firmware, in system management mode, writes the variables with the keys.
        etree.SubElement(features, "smm", state="on")
    topology = _add_cpu(domain, plan, accelerator)
    # Firmware that guards its variables in system management mode takes no processor later on.
    add_vcpus(vcpu, topology, plan.vcpus, spare=not plan.devices.secure_boot)
    etree.SubElement(domain, "clock", offset="utc")
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(domain, event, action)
    _add_devices(etree.SubElement(domain, "devices"), plan, files)
    return etree.tostring(domain, encoding="unicode")


def add_vcpus(vcpu: etree._Element, topology: etree._Element, count: int, spare: bool) -> None:
    """So many processors, and places for some more that can be added while it runs."""
    most = count + min(3 * count, _MOST_SPARE) if spare else count
    vcpu.text = str(most)
    if most != count:
        vcpu.set("current", str(count))
    elif "current" in vcpu.attrib:
        del vcpu.attrib["current"]
    topology.set("cores", str(most))


def _add_cpu(domain: etree._Element, plan: DeployPlan, accelerator: str) -> etree._Element:
    cpu = etree.SubElement(domain, "cpu", mode="host-passthrough" if accelerator == "kvm" else "maximum")
    # One socket: libvirt would make one of each, and some systems use no more than two.
    topology = etree.SubElement(cpu, "topology", sockets="1", cores="1", threads="1")
    if accelerator == "tcg" and not plan.devices.cx16:
        # QEMU 7.2 emulates it with wrong flags: an interrupt just then ends Linux 6.12 in a double fault.
        etree.SubElement(cpu, "feature", policy="disable", name="cx16")
    return topology


def _add_os(domain: etree._Element, plan: DeployPlan, files: Files) -> None:
    os = etree.SubElement(domain, "os")
    if plan.firmware == "uefi":
        os.set("firmware", "efi")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    if plan.firmware == "uefi":
        firmware = etree.SubElement(os, "firmware")
        secure = plan.devices.secure_boot
        etree.SubElement(firmware, "feature", enabled="yes" if secure else "no", name="secure-boot")
        if secure:
            etree.SubElement(firmware, "feature", enabled="yes", name="enrolled-keys")
    if files.kernel:
        _text(os, "kernel", str(files.kernel))
        if files.initrd:
            _text(os, "initrd", str(files.initrd))
        if plan.cmdline:
            _text(os, "cmdline", plan.cmdline)


def _add_ports(devices: etree._Element, plan: DeployPlan, files: Files) -> None:
    """A port for every device that libvirt will put on one, and some for cards that come while the machine runs."""
    disks = sum(not disk.cdrom for disk in files.disks) if plan.devices.disk == VIRTIO else 0
    etree.SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
    for index in range(1, 1 + disks + len(plan.nics) + _OTHERS_ON_PORTS + SPARE_PORTS):
        etree.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")


def _add_devices(devices: etree._Element, plan: DeployPlan, files: Files) -> None:
    _add_ports(devices, plan, files)
    boot = 0
    for index, disk in enumerate(files.disks):
        if disk.bootable and not files.kernel:
            boot += 1
            _add_disk(devices, disk, _target(plan, disk, index), boot)
        else:
            _add_disk(devices, disk, _target(plan, disk, index), 0)
    if plan.devices.disk == VIRTIO:
        # For drives, and for volumes: what is on it is plugged in and out without a slot of the machine's own.
        etree.SubElement(devices, "controller", type="scsi", model="virtio-scsi")
    # A bond's cards have the MAC of its first one, and whatever it sends leaves by any of them.
    bonded = [nic.mac for nic in plan.nics if nic.stacked]
    for nic in plan.nics:
        devices.append(interface(nic, plan.devices.nic, bonded))
    serial = etree.SubElement(devices, "serial", type="pty")
    # append='off' would come out empty after a restore or a migration.
    etree.SubElement(serial, "log", file=str(files.console), append="on")
    channel = etree.SubElement(devices, "channel", type="unix")
    etree.SubElement(channel, "source", mode="bind", path=str(files.port))
    etree.SubElement(channel, "target", type="virtio", name=PORT_NAME)
    rng = etree.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    if plan.devices.tpm:
        tpm = etree.SubElement(devices, "tpm", model="tpm-crb")
        etree.SubElement(tpm, "backend", type="emulator", version=plan.devices.tpm)
    # A screen costs the firmware time; a directly booted kernel speaks on the serial console only.
    video = etree.SubElement(devices, "video")
    etree.SubElement(video, "model", type="none" if files.kernel else "vga")


def _target(plan: DeployPlan, disk: DiskFile, index: int) -> dict[str, str]:
    """Where the disk is plugged in."""
    letter = chr(ord("a") + index)
    if plan.devices.disk == SATA:
        return {"dev": f"sd{letter}", "bus": "sata"}
    # virtio-scsi: Debian's cloud kernel has no driver for q35's SATA.
    return {"dev": f"sd{letter}", "bus": "scsi"} if disk.cdrom else {"dev": f"vd{letter}", "bus": "virtio"}


def _add_disk(devices: etree._Element, disk: DiskFile, target: dict[str, str], boot: int) -> None:
    element = etree.SubElement(devices, "disk", type="file", device="cdrom" if disk.cdrom else "disk")
    driver = etree.SubElement(element, "driver", name="qemu", type=disk.format)
    etree.SubElement(element, "source", file=str(disk.path))
    if disk.base is not None:
        _add_backing(element, disk.base)
    etree.SubElement(element, "target", attrib=target)
    if disk.cdrom:
        etree.SubElement(element, "readonly")
    else:
        driver.set("discard", "unmap")
    if boot:
        etree.SubElement(element, "boot", order=str(boot))


def _add_backing(disk: etree._Element, base: Base) -> None:
    """Name the chain and its end, so that libvirt never guesses a format from a guest's bytes."""
    backing = etree.SubElement(disk, "backingStore", type="file")
    etree.SubElement(backing, "format", type=base.format)
    etree.SubElement(backing, "source", file=str(base.path))
    if base.base is not None:
        _add_backing(backing, base.base)
    else:
        etree.SubElement(backing, "backingStore")


def _text(parent: etree._Element, tag: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, tag, attrib=attributes).text = text
