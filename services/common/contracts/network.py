# SPDX-License-Identifier: Apache-2.0
"""The network model: what a guest's links shall look like, keyed by MAC. The rules are in network_rules."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """A static route; `to` is a CIDR ("0.0.0.0/0" is the default), `via` an address on the link."""

    to: str
    via: str
    metric: int | None = None


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """How a link takes part in IP. Nothing set: it is up at most, and has no address."""

    dhcp4: bool = False
    dhcp6: bool = False
    accept_ra: bool = False
    addresses: tuple[str, ...] = ()  # CIDRs, v4 and v6
    gateway4: str = ""
    gateway6: str = ""
    routes: tuple[Route, ...] = ()
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    mtu: int = 0  # 0: the network's own
    default_route: bool = True  # False: a DHCP server's default route is ignored

    @property
    def configured(self) -> bool:
        """Whether the guest shall do anything with this link."""
        return bool(self.dhcp4 or self.dhcp6 or self.accept_ra or self.addresses)


@dataclass(frozen=True)
class Nic(Addressing):
    """A network card of the guest. `network` is the id of the platform's network it is plugged into."""

    mac: str
    network: str
    name: str = ""  # the link's name in the guest, eth0, eth1, ... when empty


class BondMode:
    """The two ways to bundle cards that every system can."""

    ACTIVE_BACKUP = "active-backup"
    LACP = "802.3ad"


@dataclass(frozen=True)
class Bond(Addressing):
    """Several cards as one link; the cards themselves have no addresses."""

    name: str
    members: tuple[str, ...]  # MACs of nics
    mode: str = BondMode.ACTIVE_BACKUP


@dataclass(frozen=True)
class Vlan(Addressing):
    """A tagged link on a card or a bond."""

    name: str
    id: int  # 1 to 4094
    over: str  # the MAC of a nic, or the name of a bond


Link = Nic | Bond | Vlan


@dataclass(frozen=True)
class NetworkModel:
    """All links of one guest."""

    nics: tuple[Nic, ...] = ()
    bonds: tuple[Bond, ...] = ()
    vlans: tuple[Vlan, ...] = ()

    def links(self) -> Iterator[tuple[str, str, Link]]:
        """Every link with its JSON pointer in a request and its name in the guest."""
        for index, nic in enumerate(self.nics):
            yield f"/networks/{index}", self.nic_name(nic), nic
        for index, bond in enumerate(self.bonds):
            yield f"/bonds/{index}", bond.name, bond
        for index, vlan in enumerate(self.vlans):
            yield f"/vlans/{index}", vlan.name, vlan

    def nic_name(self, nic: Nic) -> str:
        """What a card is called in the guest."""
        return nic.name or next(f"eth{index}" for index, other in enumerate(self.nics) if other is nic)

    def nic(self, mac: str) -> Nic | None:
        """The card with this MAC."""
        return next((nic for nic in self.nics if nic.mac.lower() == mac.lower()), None)

    def bond_of(self, nic: Nic) -> Bond | None:
        """The bond that has this card."""
        return next((b for b in self.bonds if nic.mac.lower() in (m.lower() for m in b.members)), None)

    def parent(self, vlan: Vlan) -> Nic | Bond | None:
        """What a VLAN is tagged on."""
        return next((b for b in self.bonds if b.name == vlan.over), None) or self.nic(vlan.over)

    def on_networks(self) -> Iterator[tuple[str, Nic, Nic | Bond]]:
        """Links whose addresses are of the platform's networks: pointer, a card that is plugged in there, the link."""
        for index, nic in enumerate(self.nics):
            yield f"/networks/{index}", nic, nic
        for index, bond in enumerate(self.bonds):
            if bond.members and (card := self.nic(bond.members[0])):
                yield f"/bonds/{index}", card, bond

    def name_of(self, link: Link) -> str:
        """What a link is called in the guest."""
        return self.nic_name(link) if isinstance(link, Nic) else link.name


# What a host must be able to do for some networks (its driver's capabilities, in its facts).
VLAN_CAPABILITY, ANTI_SPOOF_CAPABILITY = "network-vlan", "anti-spoof"


class NetworkKind:
    """How a network reaches the world."""

    NAT = "nat"  # a private bridge with DHCP, masqueraded by the host
    ISOLATED = "isolated"  # a private bridge, no way out
    BRIDGE = "bridge"  # an existing bridge of the host


@dataclass(frozen=True)
class NetworkPlan:
    """What a host must know to plug a NIC in: our network, on that host."""

    id: str
    name: str
    kind: str  # NetworkKind
    cidr: str = ""
    gateway: str = ""  # the host's own address on it ("" on isolated networks without one)
    dhcp_start: str = ""  # "" = no DHCP server
    dhcp_end: str = ""
    dns: tuple[str, ...] = ()
    bridge: str = ""  # kind bridge: its name on the host
    mtu: int = 0
    vlan: int = 0  # kind bridge: the tag its frames have there; 0: none
    anti_spoof: bool = False  # guests send from their own MAC and addresses only

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities a host must have for it."""
        wanted = ((self.vlan, VLAN_CAPABILITY), (self.anti_spoof, ANTI_SPOOF_CAPABILITY))
        return tuple(capability for asked, capability in wanted if asked)
