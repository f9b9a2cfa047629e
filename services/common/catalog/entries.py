# SPDX-License-Identifier: Apache-2.0
"""One row of the catalogue, and what it can't express of the network model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.common.contracts.devices import DIRECT_KERNEL, DISK_IMAGE, Devices
from services.common.contracts.errors import Problem
from services.common.contracts.network import Link, NetworkModel, Nic


class Delivery:
    """How an image reaches the guest."""

    CLOUD_IMAGE = "cloud-image"  # a disk, and a seed on a CD-ROM
    INSTALLER = "installer"  # the vendor's installation medium, and an answer file
    DIRECT_KERNEL = "direct-kernel"  # kernel and initrd from the host, and a seed on a CD-ROM


_NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    Delivery.CLOUD_IMAGE: (DISK_IMAGE,),
    Delivery.DIRECT_KERNEL: (DIRECT_KERNEL,),
}


class Agent:
    """Where the guest agent comes from."""

    BAKED = "baked"  # it is in the master
    SEEDED = "seeded"  # the seed installs it
    SHELL = "shell"  # the seed installs the one in shell: there is no Python


class Packages:
    """Whose words a system's further package sources are said in."""

    APT = "apt"
    YUM = "yum"  # dnf's, too
    ZYPP = "zypp"
    ANSWERS = "answers"  # the installer's: it sets them up, and the system keeps them; no file of ours
    APK = "apk"


class Reports:
    """How an installer, or a guest, tells how far it is."""

    PORT = "port"  # over its virtio-serial port
    HTTPS = "https"  # to the api, with a token of its own


# What of a link a row may declare it can't express -> what that is called in a sentence about it.
LINK_FIELDS: Mapping[str, str] = {
    "accept_ra": "accept_ra",
    "addresses": "addresses",
    "default_route": "a link whose default route is to be ignored",
    "dhcp4": "dhcp4",
    "dhcp6": "dhcp6",
    "dns": "dns",
    "gateway": "a gateway",
    "gateway6": "an IPv6 gateway",
    "metric": "the metric of a route",
    "mtu": "mtu",
    "routes": "routes",
    "search": "search",
    "stacked_mtu": "the mtu of a bond or a VLAN",
}


@dataclass(frozen=True)
class MasterPlan:
    """How an installation medium becomes a master with room for a machine's answers."""

    # Path of the slot on the medium: an archive the boot menu loads as one more initrd. "": the answers come on a disc
    # of their own, which the installer looks for by its label.
    answers: str = ""
    size_kib: int = 128
    # Path of a boot menu on the medium -> template that takes its place; it loads the slot.
    menus: dict[str, str] = field(default_factory=dict)
    # Path of a boot menu on the medium -> `key=words`: added to that line of it, while all else stays the vendor's.
    edits: dict[str, str] = field(default_factory=dict)
    # Path of the EFI image on the medium (UDF) that shall be booted in place of the one its boot catalog names.
    efi: str = ""


@dataclass(frozen=True)
class OsEntry:
    """An operating system vms can have."""

    name: str
    display_name: str
    family: str
    version: str
    arch: str
    min_memory_mib: int
    min_disk_gib: int
    delivery: str  # Delivery
    source: str  # "media": imported by an admin; else the name of the recipe it is built from
    seed: dict[str, str]  # file in the seed -> template in the family's folder
    network: dict[str, str]  # file in the seed -> dialect it is written in
    min_vcpus: int = 1
    agent: str = ""  # Agent, "" none
    reports: str = Reports.PORT
    default_user: str = ""
    eol: str = ""  # the vendor's last day, ISO date
    # Variable of the templates -> dialect: the network as a part of an answer file.
    fragments: dict[str, str] = field(default_factory=dict)
    # Variable of the templates -> template: rendered in its own syntax first, and there for the files in base64.
    payloads: dict[str, str] = field(default_factory=dict)
    firmware: tuple[str, ...] = ("bios",)  # what it boots from: bios, uefi
    repositories: str = ""  # Packages: further sources can be given; "" it has no words for them
    debian_console: bool = False  # keyboard and locales are what Debian's files of them say
    media: dict[str, str] = field(default_factory=dict)  # url and sums of the vendor's medium, patterns
    master: MasterPlan | None = None  # delivery installer: how its medium is used; None: it isn't known yet
    label: str = "CIDATA"  # what the volume with the answer is called
    unsupported: tuple[str, ...] = ()  # LINK_FIELDS this system can't have
    # What of a spec this system can't have (refusals.REFUSABLE) -> why, as the rest of a sentence about it.
    refuses: dict[str, str] = field(default_factory=dict)
    needs_media: str = ""  # a sentence: where to get the media it is imported from
    packages: tuple[str, ...] = ()  # what people add first, by the names it has here
    devices: Devices = field(default_factory=Devices)  # the hardware it has drivers for
    any_card: bool = False  # it can be told of its only network card without that card's MAC

    @property
    def installable(self) -> bool:
        """Whether a vm can be set up from it."""
        return self.delivery != Delivery.INSTALLER or self.master is not None

    @property
    def renewed_by_seed(self) -> bool:
        """Whether a system that is set up already becomes another one by another seed: cloud-init looks at each boot.

        Installers and Ignition have their say once.
        """
        return self.delivery != Delivery.INSTALLER and "meta-data" in self.seed

    @property
    def answers_on_disc(self) -> bool:
        """Whether a machine's answers come on a disc beside what it boots from."""
        return self.delivery != Delivery.INSTALLER or (self.master is not None and not self.master.answers)

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities a host must have for it, whatever is asked for."""
        return (*self.devices.needs, *_NEEDED_BY.get(self.delivery, ()))

    @property
    def guest_agent(self) -> bool:
        """Whether the guest can tell how it is."""
        return bool(self.agent)


def unsupported_problems(entry: OsEntry, model: NetworkModel) -> list[Problem]:
    """What these links ask for that the system can't have: refused, never dropped silently."""
    problems = []
    for at, _, link in model.links():
        for name in entry.unsupported:
            detail = f"{entry.display_name} can't be set up with {LINK_FIELDS[name]}"
            fix = "leave it out, or choose another os"
            problems += [Problem(f"{at}/{place}", detail, fix) for place in _asked(link, name)]
    return problems


def _asked(link: Link, name: str) -> Iterator[str]:
    """The fields of the link that ask for it."""
    if name == "metric":
        yield from (f"routes/{n}/metric" for n, route in enumerate(link.routes) if route.metric is not None)
    elif name == "stacked_mtu":
        yield from ["mtu"] if link.mtu and not isinstance(link, Nic) else []
    elif name in ("gateway", "gateway6"):
        yield from ["gateway"] if link.gateway6 or (link.gateway4 and name == "gateway") else []
    elif name == "default_route":
        yield from [] if link.default_route else [name]
    elif getattr(link, name):
        yield name
