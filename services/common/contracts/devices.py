# SPDX-License-Identifier: Apache-2.0
"""The hardware a guest's system can drive, and what it insists on. Pure data, from the catalogue to the driver."""

from dataclasses import dataclass

VIRTIO, SATA, E1000E, VMXNET3 = "virtio", "sata", "e1000e", "vmxnet3"
DISKS = (VIRTIO, SATA)
NICS = (VIRTIO, E1000E, VMXNET3)
TPMS = ("", "2.0")
SERIAL_LENGTH = 20  # characters that a guest is shown of a virtio disk's
# What a host must be able to give (its driver's capabilities, in its facts).
TPM_CAPABILITY, SECURE_BOOT_CAPABILITY = "tpm-2.0", "secure-boot"
DISK_IMAGE, DIRECT_KERNEL = "disk-image", "direct-kernel"  # ways for a system to get there beside a medium's
GUEST_CHANNEL = "guest-channel"  # it hears its guests over a port of theirs
NETWORK = "network-"  # and a kind of networks


@dataclass(frozen=True)
class Devices:
    """A machine's hardware. The default is for systems that bring the drivers of virtio."""

    disk: str = VIRTIO  # DISKS; with sata, CD-ROM drives are on it, too
    nic: str = VIRTIO  # NICS
    tpm: str = ""  # TPMS, "" none
    secure_boot: bool = False  # UEFI with the vendors' keys, which starts signed systems only
    cx16: bool = True  # it may use CMPXCHG16B, as all of level x86-64-v2 do; without, an emulated processor hides it

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities a host must have for it."""
        wanted = ((self.tpm, TPM_CAPABILITY), (self.secure_boot, SECURE_BOOT_CAPABILITY))
        return tuple(capability for asked, capability in wanted if asked)


def serial_of(volume_id: str) -> str:
    """The serial number a guest sees of a volume's disk: the end of its id."""
    return volume_id.replace("-", "")[-SERIAL_LENGTH:]
