# SPDX-License-Identifier: Apache-2.0
"""What one vm shall be: the resolved specification that the whole flow works from. No secret is in it."""

from dataclasses import dataclass, field
from uuid import UUID, uuid5

from services.common.contracts.network import Bond, NetworkModel, Nic, Vlan

# Names on a hypervisor are derived, so that a second try meets the first one's work.
_NAMESPACE = UUID("6f1d1c43-3b1c-5e0c-9c55-0d7f6f6f6b01")


@dataclass(frozen=True)
class UserSpec:
    """A login in the guest; a password is a secret and lives in Secrets, never here."""

    name: str
    ssh_keys: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True)
class Repository:
    """A further source of packages; `signed_by` is an armoured OpenPGP public key, for apk an RSA one in PEM."""

    name: str
    url: str
    signed_by: str
    suite: str = ""  # apt's alone
    components: tuple[str, ...] = ()  # apt's alone
    key_name: str = ""  # apk's alone: what signatures call the key


class Layout:
    """How the first disk is divided."""

    WHOLE = "whole"  # one root filesystem
    LVM = "lvm"  # root and swap on a volume group
    HOME = "home"  # root, and /home on its own


class Firmware:
    """What a vm boots by."""

    BIOS = "bios"
    UEFI = "uefi"


@dataclass(frozen=True)
class VmSpec:
    """A vm as asked for, with every default filled in. Sizes in MiB and GiB."""

    name: str
    hostname: str
    os: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    nics: tuple[Nic, ...]
    flavor: str = ""
    domain: str = ""
    locale: str = "en_US.UTF-8"
    keyboard: str = "us"
    timezone: str = "Etc/UTC"
    users: tuple[UserSpec, ...] = ()
    packages: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    hypervisor: str = ""  # "" any, or a driver's name
    host: str = ""  # "" any, or a host's id (admins)
    zone: str = ""
    traits: tuple[str, ...] = ()
    policy: str = ""  # "" the active one
    guest_agent: bool = True
    needs: tuple[str, ...] = ()  # capabilities of a host without which its guest isn't heard, or has no network
    ssh_passwords: bool = True  # whether a password, where a user has one, is good for signing in by SSH
    bonds: tuple[Bond, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    layout: str = Layout.WHOLE
    firmware: str = Firmware.BIOS
    mirror: str = ""  # URL packages are installed from; "" the vendor's
    proxy: str = ""  # URL of an HTTP proxy for packages
    ntp: tuple[str, ...] = ()  # names or addresses of time servers
    ca_certificates: tuple[str, ...] = ()  # PEM, one certificate each; trusted by the whole system
    repositories: tuple[Repository, ...] = ()  # beside those the system has

    @property
    def network(self) -> NetworkModel:
        """All links of the guest."""
        return NetworkModel(self.nics, self.bonds, self.vlans)


class FirstBoot:
    """What a first boot is, by its first line."""

    SCRIPT = "script"
    POWERSHELL = "powershell"
    CLOUD_CONFIG = "cloud-config"


def first_boot_kind(text: str) -> str:
    """One of FirstBoot; "" for no text, or one that is neither a script nor a cloud-config."""
    first_line = text.partition("\n")[0].rstrip()
    if first_line.startswith("#!"):
        return FirstBoot.POWERSHELL if first_line.endswith(("powershell", "pwsh")) else FirstBoot.SCRIPT
    return FirstBoot.CLOUD_CONFIG if first_line.startswith("#cloud-config") else ""


@dataclass(frozen=True)
class Secrets:
    """What must stay secret of a vm; sealed at rest, never on the broker, never printed."""

    password_hashes: dict[str, str] = field(default_factory=dict)  # user -> SHA-512-crypt
    first_boot: str = ""  # script or cloud-config
    guest_token: str = ""  # 256 random bits, of a guest that reports over HTTPS
    report_url: str = ""  # where it brings its reports; no secret, but told to nobody else

    def __repr__(self) -> str:
        return "Secrets(***)"


def hypervisor_uuid(vm_id: str) -> str:
    """The UUID a vm has on every hypervisor."""
    return str(uuid5(_NAMESPACE, vm_id))


def hypervisor_name(vm_id: str, name: str) -> str:
    """The name a vm has on every hypervisor: readable, and unique by its id's end (ids of one minute begin alike)."""
    return f"{name}-{vm_id.replace('-', '')[-8:]}"


def nic_mac(vm_id: str, index: int) -> str:
    """The MAC of a vm's n-th NIC, in QEMU's own range 52:54:00."""
    digest = uuid5(_NAMESPACE, f"{vm_id}/nic/{index}").bytes
    return "52:54:00:" + ":".join(f"{b:02x}" for b in digest[:3])
